package pace

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestSleep(t *testing.T) {
	for _, tt := range []struct{ sleep, limit, want time.Duration }{
		{time.Second, time.Minute, time.Second},
		{time.Minute, time.Second, time.Second},
		{0, time.Second, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
			defer cancel()
			began := time.Now()
			Sleep(ctx, tt.sleep)
			if took := time.Since(began); took != tt.want {
				t.Errorf("%v with a limit of %v took %v, want %v", tt.sleep, tt.limit, took, tt.want)
			}
		})
	}
}

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 6500*time.Millisecond)
		defer cancel()
		began := time.Now()
		var at []time.Duration
		Every(ctx, time.Second, func() {
			at = append(at, time.Since(began))
			if len(at) == 2 {
				time.Sleep(2500 * time.Millisecond) // misses a call
			}
		})
		want := []time.Duration{1000, 2000, 4500, 5000, 6000}
		for i := range want {
			want[i] *= time.Millisecond
		}
		if !slices.Equal(at, want) || time.Since(began) != 6500*time.Millisecond {
			t.Errorf("called at %v, want %v; it took %v", at, want, time.Since(began))
		}
	})
}
