package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// What each of the clients asks in one round.
const (
	newRequests  = 150
	keptRequests = 600
)

// row is one kind of request.
type row struct {
	name, request string
	token         bool
}

// A limit that is never reached, so that what it costs is measured.
const unlimited = "request_rate = 1000000"

// throughput measures a program against another one, or the bare handler if that
// is not given.
func throughput(ctx context.Context, program, against string, rounds int) (err error) {
	dir, err := os.MkdirTemp("", "beside")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	md, err := startMdserver(ctx, program, dir, listen, unlimited)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, md.stop()) }()
	if against != "" {
		return measureBoth(ctx, md, against, rounds)
	}
	rows, err := kinds(md.addr)
	if err != nil {
		return err
	}
	fmt.Printf(columns, "request", "connection", "bare/s", "mdserver/s", "of bare's throughput", "bare CPU", "mdserver CPU", "times bare's CPU")
	for _, r := range rows {
		if err := r.measure(ctx, md, rounds); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

// measureBoth measures new and kept connections of two mdservers. Tokens are of
// one server, so none are shown.
func measureBoth(ctx context.Context, md *server, against string, rounds int) (err error) {
	dir, err := os.MkdirTemp("", "beside")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	other, err := startMdserver(ctx, against, dir, listenAgainst, unlimited)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.stop()) }()
	rows, err := kinds(md.addr)
	if err != nil {
		return err
	}
	fmt.Printf(columns, "request", "connection", "other/s", "mdserver/s", "of other's throughput", "other CPU", "mdserver CPU", "times other's CPU")
	for _, r := range rows {
		if r.token {
			continue
		}
		if err := r.compare(ctx, other, md, rounds); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

func kinds(addr string) ([]row, error) {
	const ttl = "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"
	_, token, err := once(victim, addr, request("PUT", "/latest/api/token", ttl))
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	const instanceID = "/latest/meta-data/instance-id"
	return []row{
		{"instance-id", request("GET", instanceID, ""), false},
		{"instance-id with token", request("GET", instanceID, "X-aws-ec2-metadata-token: "+string(token)+"\r\n"), true},
		{"user-data", request("GET", "/latest/user-data", ""), false},
	}, nil
}

// measure compares with the bare handler.
func (r row) measure(ctx context.Context, md *server, rounds int) (err error) {
	head, body, err := once(victim, md.addr, r.request)
	if err != nil {
		return err
	}
	bare, err := startBare(contentType(head), body)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	return r.compare(ctx, bare, md, rounds)
}

// compare prints the lines of one kind of request.
func (r row) compare(ctx context.Context, other, md *server, rounds int) error {
	head, body, err := once(victim, md.addr, r.request)
	if err != nil {
		return err
	}
	size := len(head) + len("\r\n\r\n") + len(body) - len("Connection: close\r\n")
	for _, pattern := range []struct {
		name string
		ask  asker
		n    int
	}{
		{"new", newConnections(r.request), newRequests},
		{"kept", keptConnection(r.request, size), keptRequests},
	} {
		figures, err := compare(ctx, other, md, pattern.ask, pattern.n, rounds)
		if err != nil {
			return err
		}
		figures.print(r.name, pattern.name)
	}
	return nil
}

func contentType(head []byte) string {
	for line := range bytes.Lines(head) {
		if value, ok := bytes.CutPrefix(line, []byte("Content-Type: ")); ok {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// sample is what one round took one server, for one request.
type sample struct{ time, cpu time.Duration }

// figures are the samples of all rounds.
type figures struct{ bare, md []sample }

// compare has both servers answer round by round, each first in every other.
// The first round only warms them up.
func compare(ctx context.Context, bare, md *server, ask asker, n, rounds int) (figures, error) {
	var f figures
	for round := range rounds + 1 {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		var got [2]sample
		for turn := range got {
			which := (turn + round) % len(got)
			var err error
			if got[which], err = take([]*server{bare, md}[which], ask, n); err != nil {
				return f, err
			}
		}
		if round > 0 {
			f.bare, f.md = append(f.bare, got[0]), append(f.md, got[1])
		}
	}
	return f, nil
}

func take(s *server, ask asker, n int) (sample, error) {
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	if err := together(ask, s.addr, n); err != nil {
		return sample{}, err
	}
	took := time.Since(began)
	after, err := s.cpu()
	requests := time.Duration(n * clients)
	return sample{took / requests, (after - before) / requests}, err
}

// columns are those of the table.
const columns = "%-22s  %-10s  %8s  %10s  %20s  %8s  %12s  %s\n"

// print prints the figures as a line of the table.
func (f figures) print(request, connection string) {
	perSecond := func(s sample) float64 { return float64(time.Second) / float64(s.time) }
	micros := func(s sample) float64 { return float64(s.cpu) / float64(time.Microsecond) }
	var faster, dearer []float64
	for i := range f.bare {
		faster = append(faster, 100*float64(f.bare[i].time)/float64(f.md[i].time))
		dearer = append(dearer, float64(f.md[i].cpu)/float64(f.bare[i].cpu))
	}
	median := func(values []float64, format string) string { return fmt.Sprintf(format, quantile(values, 0.5)) }
	spread := func(values []float64, format string) string {
		return fmt.Sprintf(format, quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75))
	}
	fmt.Printf(columns, request, connection,
		median(each(f.bare, perSecond), "%.0f"), median(each(f.md, perSecond), "%.0f"), spread(faster, "%.0f %% (%.0f–%.0f)"),
		median(each(f.bare, micros), "%.1f µs"), median(each(f.md, micros), "%.1f µs"), spread(dearer, "%.2f (%.2f–%.2f)"))
}

func each(samples []sample, value func(sample) float64) []float64 {
	list := make([]float64, len(samples))
	for i, s := range samples {
		list[i] = value(s)
	}
	return list
}

// quantile is the value that so large a part of the values does not exceed.
func quantile(values []float64, part float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(part*float64(len(sorted)-1))]
}
