package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// stopTime bounds how long requests may take to end at a stop.
	stopTime = 5 * time.Second
	// askTime is how long at a stop a client may take to finish the head of a
	// request.
	askTime = 400 * time.Millisecond
)

// httpServer is an http.Server that ends without waiting for clients who ask
// nothing. http.Server.Shutdown alone waits five seconds for a connection that
// never sent a byte.
type httpServer struct {
	*http.Server

	mu    sync.Mutex
	asked map[net.Conn]bool // whether a request of a connection is being answered
}

// newServer bounds what one client can take: a slow or stuck one ends. inContext
// is the server's ConnContext.
func newServer(handler http.Handler, inContext func(context.Context, net.Conn) context.Context, log *slog.Logger) *httpServer {
	s := &httpServer{asked: map[net.Conn]bool{}}
	s.Server = &http.Server{
		Handler:           s.answer(handler),
		ConnState:         s.follow,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		// "OPTIONS *" is refused like every other method without a use here.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return inContext(withConn(ctx, conn), conn)
	}
	return s
}

// follow is the server's ConnState.
func (s *httpServer) follow(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		s.asked[conn] = false
	case http.StateClosed, http.StateHijacked:
		delete(s.asked, conn)
	}
}

// answer notes that a request has come whole, or its head at least.
func (s *httpServer) answer(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := connOf(r); ok {
			s.mu.Lock()
			s.asked[conn] = true
			s.mu.Unlock()
		}
		handler.ServeHTTP(w, r)
	})
}

// stop answers the requests that have come, and closes all connections. Those
// whose clients still send or read after stopTime are cut off.
func (s *httpServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	late := time.AfterFunc(askTime, s.closeSilent)
	defer late.Stop()
	if err := s.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		_ = s.Close()
	}
}

// closeSilent closes the connections that have no request to be answered.
func (s *httpServer) closeSilent() {
	s.mu.Lock()
	var silent []net.Conn
	for conn, asked := range s.asked {
		if !asked {
			silent = append(silent, conn)
		}
	}
	s.mu.Unlock()
	for _, conn := range silent {
		_ = conn.Close()
	}
}

// stopAll stops servers at the same time.
func stopAll(servers ...*httpServer) {
	var stopping sync.WaitGroup
	for _, s := range servers {
		stopping.Go(s.stop)
	}
	stopping.Wait()
}

type connKey struct{}

// withConn remembers the connection that requests come by.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// connOf returns the connection that a request came by.
func connOf(r *http.Request) (net.Conn, bool) {
	conn, ok := r.Context().Value(connKey{}).(net.Conn)
	return conn, ok
}
