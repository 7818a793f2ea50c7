// Package process runs the dnsmasq of one network: it starts dnsmasq, supervises
// it, and stops it. It decides neither what dnsmasq's files say nor whether its
// answers are right.
//
// [Start] runs dnsmasq as a child, [Follow] follows one that another service runs,
// and [Absent] is for a network without dnsmasq. All three are a [Runner].
package process

import (
	"context"
	"errors"
	"os"
	"syscall"

	"mdserver/internal/api"
	"mdserver/internal/dnsmasq/files"
)

// Running is a dnsmasq that serves a network's files.
type Running struct {
	PID    int
	Epoch  int  // differs between any two processes of a Runner
	Ours   bool // this server has started it
	Signal func(syscall.Signal) error
}

// Runner knows which dnsmasq serves a network, if any.
type Runner interface {
	// Peek returns the dnsmasq that runs at this moment, or nil.
	Peek() *Running
	// Wait does the same, but waits for one that is about to start. It returns
	// nil and no error if none is expected.
	Wait(ctx context.Context) (*Running, error)
	// Restart ends dnsmasq by a signal, and waits for the next one. The error is
	// ErrNotOurs if this server has not started it.
	Restart(ctx context.Context, signal syscall.Signal) error
	// Report adds what the Runner knows to a status.
	Report(st *api.Dnsmasq)
	// Close ends what the Runner has started, and waits for it.
	Close() error
}

// ErrNotOurs is the error of a restart of a dnsmasq that another service runs.
var ErrNotOurs = errors.New("mdserver does not run this dnsmasq, and cannot restart it")

// Absent is the Runner of a network without dnsmasq.
type Absent struct{}

// Peek returns nil.
func (Absent) Peek() *Running { return nil }

// Wait returns nil at once.
func (Absent) Wait(context.Context) (*Running, error) { return nil, nil }

// Restart fails with ErrNotOurs.
func (Absent) Restart(context.Context, syscall.Signal) error { return ErrNotOurs }

// Report adds nothing.
func (Absent) Report(*api.Dnsmasq) {}

// Close does nothing.
func (Absent) Close() error { return nil }

// host is where a network's dnsmasq runs, and its user.
type host struct {
	files.Place
	uid uint32 // of this server
}

func newHost(place files.Place) host { return host{Place: place, uid: uint32(os.Geteuid())} }
