package exporter

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// free returns an address of the loopback interface that nothing listens on.
func free(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// start runs an exporter until the test ends, or until stop is called.
func start(t *testing.T) (e *Exporter, stop func()) {
	t.Helper()
	e = New(Handler(sources(web1)), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return e, stop
}

func answers(at netip.AddrPort) error {
	resp, err := http.Get(fmt.Sprintf("http://%s/healthz", at))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ok\n" {
		return fmt.Errorf("%q, %w", body, err)
	}
	return nil
}

// Addresses come and go while the exporter runs.
func TestSet(t *testing.T) {
	e, stop := start(t)
	first, second := free(t), free(t)
	for _, tt := range []struct {
		name string
		set  []netip.AddrPort
		away []netip.AddrPort
	}{
		{"one", []netip.AddrPort{first}, []netip.AddrPort{second}},
		{"two", []netip.AddrPort{second, first}, nil},
		{"the other one", []netip.AddrPort{second}, []netip.AddrPort{first}},
		{"none", nil, []netip.AddrPort{first, second}},
		{"the first one again", []netip.AddrPort{first}, []netip.AddrPort{second}},
	} {
		if err := e.Set(tt.set); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		for _, at := range tt.set {
			if err := answers(at); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		for _, at := range tt.away {
			if answers(at) == nil {
				t.Errorf("%s: %s still answers", tt.name, at)
			}
		}
	}
	stop()
	if answers(first) == nil {
		t.Error("it answers after the end")
	}
	if err := e.Set([]netip.AddrPort{second}); err != nil || answers(second) == nil {
		t.Errorf("it serves an address after the end, and %v", err)
	}
}

// An address that another program has is reported, keeps no other from being
// served, and is served when the program has left it.
func TestTakenAddress(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken, good := other.Addr().(*net.TCPAddr).AddrPort(), free(t)
	e, _ := start(t)
	if err := e.Set([]netip.AddrPort{taken, good}); err == nil || !strings.Contains(err.Error(), taken.String()) {
		t.Errorf("the taken address gives the error %v", err)
	}
	if err := answers(good); err != nil {
		t.Error(err)
	}
	if e.Failure() == nil {
		t.Error("there is no failure")
	}
	_ = other.Close()
	e.retry()
	if err := e.Failure(); err != nil {
		t.Error(err)
	}
	if err := answers(taken); err != nil {
		t.Error(err)
	}
}
