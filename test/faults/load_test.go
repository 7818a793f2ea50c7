//go:build e2e

package faults

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"mdserver/internal/instance"
)

// load registers guests one after the other, releases every third again, and
// remembers what it was told.
type load struct {
	s    *subject
	end  context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex
	told map[int]bool // whether a guest is there; none for one that was not answered
}

// firstOfLoad is the number of a load's first guest. Others are the tests' own.
const firstOfLoad = 100

func (s *subject) startLoad() *load {
	ctx, end := context.WithCancel(context.Background())
	l := &load{s: s, end: end, told: map[int]bool{}}
	l.done.Go(func() {
		for n := firstOfLoad; ctx.Err() == nil; n++ {
			l.change(ctx, n)
		}
	})
	return l
}

func (l *load) change(ctx context.Context, n int) {
	status, _, err := l.s.Upload(context.Background(), guestXML(n))
	if err != nil || status != 200 {
		time.Sleep(20 * time.Millisecond) // a server that is gone refuses at once
		return
	}
	l.tell(n, true)
	if n%3 != 0 {
		return
	}
	l.forget(n)
	if _, err := l.s.control.Release(context.WithoutCancel(ctx), fmt.Sprint("guest", n)); err == nil {
		l.tell(n, false)
	}
}

func (l *load) tell(n int, there bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[n] = there
}

// forget leaves open whether a guest is there.
func (l *load) forget(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.told, n)
}

func (l *load) stop() {
	l.end()
	l.done.Wait()
}

// verify counts the answers that do not hold and the addresses that two guests
// have.
func (l *load) verify() (lost, duplicate int) {
	l.s.t.Helper()
	all, err := l.s.control.Instances(context.Background())
	if err != nil {
		l.s.t.Fatal(err)
	}
	there := map[string]instance.Instance{}
	addrs := map[netip.Addr]string{}
	for _, guest := range all {
		there[guest.Name] = guest
		if other, taken := addrs[guest.IPv4]; taken {
			duplicate++
			l.s.t.Errorf("duplicate: %s and %s have %s", other, guest.Name, guest.IPv4)
		}
		addrs[guest.IPv4] = guest.Name
	}
	for n, want := range l.told {
		if _, got := there[fmt.Sprint("guest", n)]; got != want {
			lost++
			l.s.t.Errorf("lost: guest%d is there: %v, but the answer was %v", n, got, want)
		}
	}
	return lost, duplicate
}
