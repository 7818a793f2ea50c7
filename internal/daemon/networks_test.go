package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/daemon/apply"
)

// follow has networks applied, until the test ends or stop is called.
func follow(t *testing.T, d *Daemon) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.applier.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

// unbridged is a server of a network that needs nothing of this host.
func unbridged(t *testing.T) *Daemon {
	t.Helper()
	dir := t.TempDir()
	text := `[mdserver]
db_file = DIR/db_file.json
userdata_dir = DIR
[dnsmasq]
run = off
port_security = no
`
	file := filepath.Join(dir, "mdserver.conf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return newDaemon(t, loadFile(t, file))
}

// What did not change is not applied again: the frontends keep what they hold.
func TestNetworksAreAppliedOnce(t *testing.T) {
	d := unbridged(t)
	follow(t, d)
	if err := d.applier.Ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := d.router.Load()
	if err := d.applier.Ask(t.Context()); err != nil || d.router.Load() != first {
		t.Errorf("the same networks were applied twice (%v)", err)
	}
	next := *d.config.Load()
	d.config.Store(&next)
	if err := d.applier.Ask(t.Context()); err != nil || d.router.Load() == first {
		t.Errorf("another configuration was not applied (%v)", err)
	}
}

// Nothing waits for networks that are not applied any more.
func TestApplyingEnds(t *testing.T) {
	d := unbridged(t)
	follow(t, d)()
	if err := d.applier.Ask(t.Context()); !errors.Is(err, apply.ErrStopping) {
		t.Errorf("after the end: %v", err)
	}
	busy := unbridged(t) // nothing follows its networks yet
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := busy.applier.Ask(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
