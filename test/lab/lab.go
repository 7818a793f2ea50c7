// Package lab builds a small hypervisor and its guests out of Linux network
// namespaces, so that mdserver can be run and seen as a whole without virtual
// machines and without touching the machine's own network.
//
// A [Lab] is one "host" namespace with the bridge br-mds, 10.122.0.1/16 and
// 169.254.169.254/32 on it, as the libvirt network of mdserver has them. A
// [Guest] is a namespace with one interface in that bridge and a real DHCP
// client. A [Server] is mdserver itself, running in the host namespace.
//
//	l, err := lab.New(ctx)
//	defer l.Close()
//	srv, err := l.NewServer(binary, l.Config())
//	err = srv.Start(ctx)
//	web1, err := l.AddGuest(ctx, "web1", "52:54:00:12:34:56")
//	lease, err := web1.StartDHCP(ctx)
//
// Several labs are hosts of one [Site], which has an etcd cluster for them and connects
// their guests.
//
// Everything a lab makes carries its random name and lies below its one
// directory, so several labs can live side by side, and Close removes exactly
// what was made. A lab whose program was killed is cleared away by the next New.
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The addresses of the network in the host namespace.
const (
	Bridge       = "br-mds"
	Gateway      = "10.122.0.1"
	Network      = "10.122.0.0"
	Prefix       = "16"
	MetadataAddr = "169.254.169.254"
)

const (
	dirPrefix   = "mds-lab-"
	cleanupTime = time.Minute
)

// Lab is a private host with its guests.
type Lab struct {
	// Dir holds everything that the lab writes.
	Dir string
	// Host is the hypervisor's namespace.
	Host *Namespace

	id    string
	ports atomic.Int32 // bridge ports given out

	mu   sync.Mutex
	undo []func(context.Context) error
}

// New makes a lab. It needs root and the iproute2 package; see [Check].
func New(ctx context.Context) (*Lab, error) {
	return newLab(ctx, "host", func(l *Lab) error {
		if err := l.writeDHCPScript(); err != nil {
			return err
		}
		return l.AddBridge(ctx, Bridge, Gateway+"/"+Prefix, MetadataAddr+"/32")
	})
}

// newLab makes a lab of one namespace, which it has furnished.
func newLab(ctx context.Context, name string, furnish func(*Lab) error) (*Lab, error) {
	sweep(ctx)
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return nil, fmt.Errorf("making the lab's directory: %w", err)
	}
	l := &Lab{Dir: dir, id: "mds-" + strings.TrimPrefix(filepath.Base(dir), dirPrefix)}
	l.onClose(func(context.Context) error { return os.RemoveAll(dir) })
	if err := l.build(ctx, name, furnish); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context, name string, furnish func(*Lab) error) (err error) {
	// dnsmasq, which gives up root, must be able to read below the directory.
	if err := os.Chmod(l.Dir, 0o755); err != nil {
		return err
	}
	if err := writeOwner(l.Dir); err != nil {
		return err
	}
	if l.Host, err = l.addNamespace(ctx, name); err != nil {
		return err
	}
	return furnish(l)
}

// AddBridge makes a bridge in the host namespace with these addresses (CIDR).
func (l *Lab) AddBridge(ctx context.Context, name string, addrs ...string) error {
	// Without spanning tree a port forwards from its first packet on.
	steps := [][]string{{"link", "add", name, "type", "bridge", "stp_state", "0", "forward_delay", "0"}}
	for _, a := range addrs {
		steps = append(steps, []string{"addr", "add", a, "dev", name})
	}
	steps = append(steps, []string{"link", "set", name, "up"})
	for _, step := range steps {
		if err := l.Host.IP(ctx, step...); err != nil {
			return fmt.Errorf("making bridge %s: %w", name, err)
		}
	}
	return nil
}

// Close removes everything the lab made, newest first. It works although the
// context that the lab was made with has ended. Calling it twice is harmless.
func (l *Lab) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTime)
	defer cancel()
	l.mu.Lock()
	undo := l.undo
	l.undo = nil
	l.mu.Unlock()
	var errs []error
	for _, f := range slices.Backward(undo) {
		errs = append(errs, f(ctx))
	}
	return errors.Join(errs...)
}

// OnClose has Close call f before it removes what was made earlier.
func (l *Lab) OnClose(f func() error) {
	l.onClose(func(context.Context) error { return f() })
}

func (l *Lab) onClose(f func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.undo = append(l.undo, f)
}

// Path is a path below the lab's directory.
func (l *Lab) Path(elem ...string) string {
	return filepath.Join(append([]string{l.Dir}, elem...)...)
}

// WriteFile writes a file below the lab's directory, with its directories, and
// returns its path.
func (l *Lab) WriteFile(name, content string) (string, error) {
	path := l.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(content), 0o644)
}

// Logs returns what every process of the lab wrote, each under its name; long
// logs are cut to their last part.
func (l *Lab) Logs() string {
	const most = 6000
	files, _ := filepath.Glob(l.Path("log", "*"))
	var b strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil || len(text) == 0 {
			continue
		}
		if len(text) > most {
			text = append([]byte("…"), text[len(text)-most:]...)
		}
		fmt.Fprintf(&b, "--- %s\n%s\n", filepath.Base(f), strings.TrimRight(string(text), "\n"))
	}
	return b.String()
}

// Poll calls f until it returns nil, the context ends or the time is up, and
// then returns f's last error.
func Poll(ctx context.Context, atMost time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	pause := 5 * time.Millisecond
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", atMost, err)
		case <-time.After(pause):
		}
		pause = min(2*pause, 250*time.Millisecond)
	}
}
