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
	"time"

	"mdserver/internal/logtest"
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
	return startWith(t, retryTime, io.Discard)
}

// startWith is like start, with a period between two tries and with a log.
func startWith(t *testing.T, period time.Duration, log io.Writer) (e *Exporter, stop func()) {
	t.Helper()
	e = New(Handler(sources(web1)), slog.New(slog.NewTextHandler(log, nil)))
	e.period = period
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
	if err := e.Set([]netip.AddrPort{taken, good}); err == nil || !strings.HasPrefix(err.Error(), "metrics.listen: listen tcp "+taken.String()) {
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

// eventually waits until ok returns true, after another goroutine has done its part.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestRunTriesAgain checks that an address that cannot be served is tried again and logged
// once, and that the end of Run is no failure.
func TestRunTriesAgain(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken := other.Addr().(*net.TCPAddr).AddrPort()
	log := &logtest.Buffer{}
	e, stop := startWith(t, time.Millisecond, log)
	if err := e.Set([]netip.AddrPort{taken}); err == nil {
		t.Error("Set serves a taken address")
	}
	e.retry()
	e.retry()
	_ = other.Close()
	eventually(t, "the address to be served", func() bool { return e.Failure() == nil })
	if err := answers(taken); err != nil {
		t.Error(err)
	}
	stop()
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), `msg="monitoring is not served on all addresses"`) {
		t.Errorf("%d errors are logged: %s", n, log)
	}
	if n := strings.Count(log.String(), `msg="monitoring is served" address=`+taken.String()); n != 1 {
		t.Errorf("the log says %d times that it is served: %s", n, log)
	}
}

// TestListenerFails checks that an address is served again after its listener failed.
func TestListenerFails(t *testing.T) {
	log := &logtest.Buffer{}
	e, _ := startWith(t, time.Millisecond, log)
	at := free(t)
	if err := e.Set([]netip.AddrPort{at}); err != nil {
		t.Fatal(err)
	}
	served := func() *endpoint {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.endpoints[at]
	}
	failed := served()
	eventually(t, "an answer", func() bool { return answers(at) == nil })
	_ = failed.listener.Close()
	eventually(t, "another listener", func() bool { p := served(); return p != nil && p != failed })
	if err := answers(at); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "a monitoring listener failed") {
		t.Errorf("the log has %s", log)
	}
	e.forget(at, failed) // once more, too late
	if err := answers(at); served() == nil || err != nil {
		t.Errorf("forgetting the failed listener once more ended the new one: %v", err)
	}
}

// TestCloseBeforeServe checks that close frees an address even if the server has not begun to
// serve it.
func TestCloseBeforeServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	(&endpoint{&http.Server{}, l}).close()
	again, err := net.Listen("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

// TestSetKeepsAddresses checks that Set does not keep the caller's slice.
func TestSetKeepsAddresses(t *testing.T) {
	e, _ := start(t)
	first, second := free(t), free(t)
	addrs := []netip.AddrPort{first}
	if err := e.Set(addrs); err != nil {
		t.Fatal(err)
	}
	addrs[0] = second
	e.retry()
	if answers(second) == nil {
		t.Error("an address is served that Set did not get")
	}
}

// TestBounds checks that no client can hold a connection for ever or send an endless head.
func TestBounds(t *testing.T) {
	e, _ := start(t)
	at := free(t)
	if err := e.Set([]netip.AddrPort{at}); err != nil {
		t.Fatal(err)
	}
	server := e.endpoints[at].server
	for name, limit := range map[string]time.Duration{
		"head": server.ReadHeaderTimeout, "request": server.ReadTimeout, "answer": server.WriteTimeout, "next request": server.IdleTimeout,
	} {
		if limit <= 0 || limit > 2*time.Minute {
			t.Errorf("the time limit for the %s is %s", name, limit)
		}
	}
	r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s/healthz", at), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Long", strings.Repeat("x", 32<<10))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of 32 KiB: %s", resp.Status)
	}
}

// TestConnectionsAreLimited checks that only maxConnections connections are served at a time,
// while others wait.
func TestConnectionsAreLimited(t *testing.T) {
	const more = 6
	var mu sync.Mutex
	present, most := 0, 0
	release := make(chan struct{})
	e := New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		present++
		most = max(most, present)
		mu.Unlock()
		<-release
		mu.Lock()
		present--
		mu.Unlock()
	}), slog.New(slog.DiscardHandler))
	defer e.close()
	at := free(t)
	if err := e.Set([]netip.AddrPort{at}); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var asking sync.WaitGroup
	for range maxConnections + more {
		asking.Go(func() {
			resp, err := client.Get(fmt.Sprintf("http://%s/", at))
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	eventually(t, "all connections that are allowed", func() bool { mu.Lock(); defer mu.Unlock(); return present >= maxConnections })
	close(release)
	asking.Wait()
	if most != maxConnections {
		t.Errorf("%d connections were served at a time, want %d", most, maxConnections)
	}
}
