package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/client"
)

// changes is how often a guest reports while clients wait, and pace how fast.
const (
	changes = 300
	pace    = 5 * time.Millisecond
)

// measureWaiting has guests report while nobody waits, while each of many clients
// waits for a guest, and while each follows all guests.
func (s *server) measureWaiting(ctx context.Context, c *client.Client) error {
	for i, tt := range []struct {
		name string
		n    int
		refs func(i int) []string
	}{
		{"reports of guests while nobody waits", 0, nil},
		{fmt.Sprintf("with %d clients that wait for one guest each", waiting), waiting, func(i int) []string { return []string{fmt.Sprintf("guest-%d", i)} }},
		{fmt.Sprintf("with %d clients that follow all guests", waiting), waiting, func(int) []string { return nil }},
	} {
		answers, cpu, err := s.reportsWith(ctx, c, i, tt.n, tt.refs)
		if err != nil {
			return fmt.Errorf("%s: %w", tt.name, err)
		}
		fmt.Printf("%-50s %s of processor time for a report, %d answers to clients\n", tt.name, (cpu / changes).Round(100*time.Nanosecond), answers)
	}
	return nil
}

func (s *server) reportsWith(ctx context.Context, c *client.Client, turn, n int, refs func(int) []string) (answers int64, cpu time.Duration, err error) {
	waitCtx, stop := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	var count atomic.Int64
	for i := range n {
		clients.Go(func() { follow(waitCtx, c, refs(i), &count) })
	}
	time.Sleep(500 * time.Millisecond) // until all wait
	count.Store(0)
	before, err := s.cpu()
	if err != nil {
		return 0, 0, err
	}
	for i := range changes {
		if err := report(ctx, turn, i); err != nil {
			return 0, 0, err
		}
		time.Sleep(pace)
	}
	after, err := s.cpu()
	return count.Load(), after - before, err
}

// follow asks for progress again and again, as the commands do.
func follow(ctx context.Context, c *client.Client, refs []string, answers *atomic.Int64) {
	var since uint64
	for ctx.Err() == nil {
		p, err := c.Progress(ctx, api.ProgressQuery{Refs: refs, Since: since, Wait: 30 * time.Second})
		if err != nil {
			return
		}
		since = p.Revision
		answers.Add(1)
	}
}

// report has a guest report that a module starts.
func report(ctx context.Context, turn, n int) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IP(addrOf(n % guests).AsSlice())}}
	transport := &http.Transport{DialContext: d.DialContext}
	defer transport.CloseIdleConnections()
	body := fmt.Sprintf(`{"name": "modules-final/config-module_%d_%d", "event_type": "start"}`, turn, n)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/mdserver/report", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Host = "169.254.169.254"
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("a report is answered with %s", answer.Status)
	}
	return nil
}
