// Package exporter serves monitoring programs over TCP, apart from what guests
// ask: metrics, whether the server is alive and serves, and the list of guests.
package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"mdserver/internal/logging/once"
	"mdserver/internal/pace"
)

const (
	// retryTime is how often an address that could not be used is tried again: the
	// host may get it later, and another program may leave it.
	retryTime = 5 * time.Second
	// maxConnections is how many connections one address has at a time.
	maxConnections = 64
)

// Exporter serves a handler on any number of addresses. Make one with New.
type Exporter struct {
	handler http.Handler
	log     *slog.Logger
	period  time.Duration // retryTime, except in tests
	serving sync.WaitGroup

	mu        sync.Mutex
	wanted    []netip.AddrPort
	endpoints map[netip.AddrPort]*endpoint
	failure   error // why addresses are not served
	complaint once.Complaint
	closed    bool
}

// endpoint is one address that is served.
type endpoint struct {
	server   *http.Server
	listener net.Listener
}

// close frees the address at once, even if the server does not know it yet.
func (p *endpoint) close() {
	_ = p.server.Close()
	_ = p.listener.Close()
}

// New makes an exporter that serves nothing before Set.
func New(handler http.Handler, log *slog.Logger) *Exporter {
	return &Exporter{handler: handler, log: log, period: retryTime, endpoints: map[netip.AddrPort]*endpoint{}}
}

// Set serves these addresses from now on, and no others. The error names those
// that cannot be used now; Run tries them again.
func (e *Exporter) Set(addrs []netip.AddrPort) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wanted = slices.Clone(addrs)
	for addr, served := range e.endpoints {
		if !slices.Contains(e.wanted, addr) {
			served.close()
			delete(e.endpoints, addr)
		}
	}
	e.open()
	return e.failure
}

// Failure is why not all addresses are served; nil if they are.
func (e *Exporter) Failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failure
}

// Run keeps the addresses served until ctx ends. Then it closes them, and the connections of
// requests that are being answered.
func (e *Exporter) Run(ctx context.Context) {
	pace.Every(ctx, e.period, e.retry)
	e.close()
}

func (e *Exporter) retry() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open()
}

func (e *Exporter) close() {
	e.mu.Lock()
	e.closed = true
	for _, served := range e.endpoints {
		served.close()
	}
	e.mu.Unlock()
	e.serving.Wait()
}

// open serves the addresses that are wanted and not served yet. It needs the lock.
func (e *Exporter) open() {
	if e.closed {
		return
	}
	var failures []error
	for _, addr := range e.wanted {
		if e.endpoints[addr] != nil {
			continue
		}
		if err := e.serve(addr); err != nil {
			failures = append(failures, err)
		}
	}
	e.failure = errors.Join(failures...)
	if e.complaint.New(e.failure) {
		e.log.Error("monitoring is not served on all addresses", "error", e.failure)
	}
}

// serve needs the lock.
func (e *Exporter) serve(addr netip.AddrPort) error {
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		return fmt.Errorf("metrics.listen: %w", err)
	}
	server := &http.Server{
		Handler:           e.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute, // Prometheus asks once a minute by default
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
	}
	served := &endpoint{server, l}
	e.endpoints[addr] = served
	e.log.Info("monitoring is served", "address", addr)
	e.serving.Go(func() {
		if err := server.Serve(netutil.LimitListener(l, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("a monitoring listener failed", "address", addr, "error", err)
			e.forget(addr, served)
		}
	})
	return nil
}

// forget has Run serve an address again whose listener failed.
func (e *Exporter) forget(addr netip.AddrPort, served *endpoint) {
	served.close()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.endpoints[addr] == served {
		delete(e.endpoints, addr)
	}
}
