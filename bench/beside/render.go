package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

const (
	// failingRequests is how many requests the attacker makes at once.
	failingRequests = 100
	// victimRequests is how many requests of the other guest are measured for
	// each path, victimPause what is between them.
	victimRequests = 300
	victimPause    = 5 * time.Millisecond
)

// failing are templates that fail at their limits.
var failing = []struct{ name, template string }{
	{"memory", "% l = []\n% while True:\n%   l.append('x' * 100000 + str(len(l)))\n% end\n"},
	{"time", "% while True:\n%   x = 3 ** 2000\n% end\n"},
}

// whileRendering measures a guest's requests while nothing else happens, and
// while another guest's requests for a failing template come in waves.
func whileRendering(ctx context.Context, program string, _ int) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintf(table, "template fails at\tanother guest asks for\tquiet: median\t99th\tattacked: median\t99th\tslowest\tfailing requests\tserver's peak memory\n")
	for _, f := range failing {
		if err := besideFailing(ctx, table, program, f.name, f.template); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func besideFailing(ctx context.Context, table *tabwriter.Writer, program, name, template string) (err error) {
	dir, err := os.MkdirTemp("", "beside")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "guest-1"), []byte(template), 0o600); err != nil {
		return err
	}
	md, err := startMdserver(ctx, program, dir, listen, "guest_connections = 1000\nmax_connections = 4096\nrequest_rate = 0")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, md.stop()) }()
	for _, path := range []string{"/latest/meta-data/instance-id", "/latest/user-data"} {
		quiet, err := victimAsks(ctx, md.addr, path)
		if err != nil {
			return err
		}
		var sent atomic.Int64
		attack, stop := context.WithCancelCause(ctx)
		var waves sync.WaitGroup
		for range failingRequests {
			waves.Go(func() { askFailing(attack, stop, md.addr, &sent) })
		}
		attacked, err := victimAsks(ctx, md.addr, path)
		stop(nil)
		waves.Wait()
		if err != nil {
			return err
		}
		if errors.Is(context.Cause(attack), errRendered) {
			return errRendered
		}
		peak, err := md.peakMemory()
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%s\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t%d\t%d MB\n", name, path, quantile(quiet, 0.5), quantile(quiet, 0.99),
			quantile(attacked, 0.5), quantile(attacked, 0.99), quantile(attacked, 1), sent.Load(), peak/1e6)
	}
	return nil
}

var errRendered = errors.New("a template that should fail was rendered")

// askFailing asks for user-data that cannot be rendered, ten times a second at
// the most: the attack is the renders, not the requests. It stops all with
// errRendered if the template does not fail.
func askFailing(ctx context.Context, stop context.CancelCauseFunc, addr string, sent *atomic.Int64) {
	for ctx.Err() == nil {
		sent.Add(1)
		if _, _, err := once(attacker, addr, request("GET", "/latest/user-data", "")); err == nil {
			stop(errRendered)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// victimAsks returns how many milliseconds each request took.
func victimAsks(ctx context.Context, addr, path string) ([]float64, error) {
	var took []float64
	for range victimRequests {
		began := time.Now()
		if _, _, err := once(victim, addr, request("GET", path, "")); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		took = append(took, float64(time.Since(began))/float64(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(victimPause):
		}
	}
	return took, nil
}

// peakMemory is the most memory that the process ever had, in bytes, see
// VmHWM in proc_pid_status(5).
func (s *server) peakMemory() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmHWM in the status of the process")
}
