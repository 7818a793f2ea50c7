// Package pace waits, and does things again and again, until a context ends.
package pace

import (
	"context"
	"time"
)

// Sleep waits for a duration. It returns earlier if ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Every calls a function once in a period until ctx ends, and for the first time
// after one period. If a call takes longer than a period, the next one follows it at
// once, and the others that it has missed are left out.
func Every(ctx context.Context, period time.Duration, do func()) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}
