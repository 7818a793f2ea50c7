// Package httpserver is an HTTP server that bounds what one client can take, and
// ends without waiting for silent clients.
package httpserver

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
	// silence is how long at a stop a client may take to finish the head of a
	// request, to send more of its body, or to read more of an answer.
	silence = 400 * time.Millisecond
)

// Server is an HTTP server that ends without waiting for silent clients.
// http.Server.Shutdown alone waits five seconds for a connection that never sent a
// byte, and for ever for the rest of a body.
type Server struct {
	server *http.Server

	mu       sync.Mutex
	conns    map[*clientConn]struct{}
	stopping bool
}

// New makes a server that bounds what one client can take: a slow or stuck one
// ends. inContext is the server's ConnContext.
func New(handler http.Handler, inContext func(context.Context, net.Conn) context.Context, log *slog.Logger) *Server {
	s := &Server{conns: map[*clientConn]struct{}{}}
	s.server = &http.Server{
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
	s.server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		client := conn.(*clientConn) // from Serve
		return inContext(withConn(ctx, client), client.Conn)
	}
	return s
}

// Serve answers the clients of a listener until the server stops.
func (s *Server) Serve(l net.Listener) error {
	return s.server.Serve(clientListener{l})
}

// clientListener accepts connections as clientConns.
type clientListener struct{ net.Listener }

// Accept implements net.Listener.
func (l clientListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &clientConn{Conn: conn}, nil
}

// follow is the server's ConnState.
func (s *Server) follow(conn net.Conn, state http.ConnState) {
	client := conn.(*clientConn) // from Serve
	switch state {
	case http.StateNew:
		s.add(client)
	case http.StateIdle:
		client.idle()
	case http.StateClosed, http.StateHijacked:
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, client)
	}
}

func (s *Server) add(client *clientConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[client] = struct{}{}
	if s.stopping {
		client.stop()
	}
}

// answer notes that a request has arrived, or its head at least.
func (s *Server) answer(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client, ok := connOf(r); ok {
			r.Body = client.ask(r.Body)
		}
		handler.ServeHTTP(w, r)
	})
}

// stop answers the requests that have arrived, and closes all connections. Clients
// that still send or read after stopTime are cut off.
func (s *Server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	s.stopWaiting()
	late := time.AfterFunc(silence, s.closeSilent)
	defer late.Stop()
	if err := s.server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		_ = s.server.Close()
	}
}

// stopWaiting bounds how long each client is waited for.
func (s *Server) stopWaiting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for client := range s.conns {
		client.stop()
	}
}

// closeSilent closes the connections that have no request to be answered.
func (s *Server) closeSilent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for client := range s.conns {
		if client.silent() {
			_ = client.Close()
		}
	}
}

// StopAll stops servers at the same time, and returns when all have ended.
func StopAll(servers ...*Server) {
	var stopping sync.WaitGroup
	for _, s := range servers {
		stopping.Go(s.stop)
	}
	stopping.Wait()
}

type connKey struct{}

// withConn remembers the connection that requests come by.
func withConn(ctx context.Context, conn *clientConn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// ConnOf returns the connection that a request came by, as it was accepted. There is
// none if no Server received the request.
func ConnOf(r *http.Request) (net.Conn, bool) {
	client, ok := connOf(r)
	if !ok {
		return nil, false
	}
	return client.Conn, true
}

// connOf is ConnOf with what is noted of the connection.
func connOf(r *http.Request) (*clientConn, bool) {
	conn, ok := r.Context().Value(connKey{}).(*clientConn)
	return conn, ok
}
