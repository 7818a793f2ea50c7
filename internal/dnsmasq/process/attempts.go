package process

import (
	"fmt"
	"time"
)

const (
	firstBackoff   = 100 * time.Millisecond
	longestBackoff = 30 * time.Second
	steady         = 10 * time.Second // a run this long was a success
	// hopeless is the number of failures in a row after which no change waits
	// for the next start.
	hopeless = 3
)

// attempts counts the runs of dnsmasq that failed, in a row.
type attempts struct {
	failed int
	last   error
}

// ended takes how a run ended and how long dnsmasq ran, and returns the pause
// before the next one. Time spent before dnsmasq has started does not count.
func (a *attempts) ended(ran time.Duration, err error) time.Duration {
	if err == nil || ran > steady {
		a.failed = 0
	}
	if err == nil {
		return 0
	}
	a.failed++
	a.last = err
	pause := firstBackoff
	for range a.failed - 1 {
		if pause = 2 * pause; pause > longestBackoff {
			return longestBackoff
		}
	}
	return pause
}

// trouble says what is wrong, if dnsmasq does not run, or has not run for long
// after failures.
func (a *attempts) trouble(running bool, ran time.Duration) string {
	switch {
	case a.last == nil, running && (a.failed < hopeless || ran > steady):
		return ""
	case a.failed > 1:
		return fmt.Sprintf("dnsmasq failed %d times in succession, mdserver keeps trying: %v", a.failed, a.last)
	}
	return a.last.Error()
}
