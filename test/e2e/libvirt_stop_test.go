//go:build e2e

package e2e

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/watch"
)

// libvirtd outlives servers that stop at any moment. libvirt 9.0 crashed when a
// client left while its last requests on events were carried out. It logs an error
// about each client that goes without taking leave.
func TestLibvirtOutlivesServers(t *testing.T) {
	t.Parallel()
	const rounds = 400
	l := newLab(t)
	v, err := l.StartLibvirt(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := connection.Endpoint{Socket: l.Path("libvirt", "run", "libvirt-sock")}
	log := slog.New(slog.DiscardHandler)
	var watchers sync.WaitGroup
	for range 4 {
		watchers.Go(func() {
			for range rounds / 4 {
				ctx, stop := context.WithCancel(suite.ctx)
				time.AfterFunc(rand.N(20*time.Millisecond), stop)
				watch.New(endpoint, deaf{}, func(uuid.UUID, watch.Happening) {}, nil, log).Run(ctx)
			}
		})
	}
	watchers.Wait()
	if _, err := v.Virsh(suite.ctx, "list"); err != nil {
		t.Errorf("libvirtd did not survive: %v", err)
	}
	said, err := os.ReadFile(l.Path("log", "libvirtd.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sign := range []string{"not registered", "domain callback", "event deregister"} { // it was a near thing
		if strings.Contains(string(said), sign) {
			t.Errorf("libvirtd says %q", sign)
		}
	}
	lost := 0
	for _, sign := range []string{"End of file while reading data", "Cannot recv data", "Cannot write data"} {
		lost += strings.Count(string(said), sign)
	}
	if lost > rounds/10 { // a libvirtd that is slow for a second is not waited for
		t.Errorf("libvirtd says that it lost %d of %d clients", lost, rounds)
	}
}

// deaf takes what a watcher finds out, and does nothing with it.
type deaf struct{}

func (deaf) Listed(context.Context, time.Time, []watch.Domain, []watch.Unreadable) error { return nil }
func (deaf) Unread(watch.Unreadable)                                                     {}
func (deaf) Seen(context.Context, watch.Domain) error                                    { return nil }
func (deaf) Doubted() <-chan struct{}                                                    { return nil }
func (deaf) Doubts() []uuid.UUID                                                         { return nil }
func (deaf) Left(context.Context, uuid.UUID, bool) error                                 { return nil }
