package face

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"mdserver/internal/caller"
)

type recorderKey struct{}

// Caller is who sent the request. It is known for every request that came
// through Identified; otherwise it is the zero Caller, which may do nothing.
func Caller(r *http.Request) caller.Caller {
	if rec, ok := r.Context().Value(recorderKey{}).(*recorder); ok {
		return rec.caller
	}
	return caller.Caller{}
}

// Identified finds out who sends each request, hands that on to next, and
// writes one log line for each: who, what, how it ended, how long it took.
// Bodies, queries and headers are not logged: they may hold secrets.
func Identified(guests caller.Guests, log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c, err := caller.Identify(r.Context(), r.RemoteAddr, guests)
		if err != nil {
			log.Error("request refused", "error", err)
			Refuse(w, http.StatusBadRequest, "Unknown client")
			return
		}
		rec := &recorder{ResponseWriter: w, caller: c, status: http.StatusOK}
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), recorderKey{}, rec)))
		logRequest(log, r, rec, start)
	})
}

// logRequest hands the line to the log's handler itself: a Logger would find
// out from where it was called, which takes longer than the rest and is not
// logged.
func logRequest(log *slog.Logger, r *http.Request, rec *recorder, start time.Time) {
	level := slog.LevelInfo
	if rec.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !log.Enabled(r.Context(), level) {
		return
	}
	guest := ""
	if rec.caller.Guest != nil {
		guest = rec.caller.Guest.Name
	}
	now := time.Now()
	line := slog.NewRecord(now, level, "request", 0)
	line.AddAttrs(
		slog.String("client", rec.caller.Addr.String()),
		slog.String("guest", guest),
		slog.String("method", r.Method),
		slog.String("path", shortened(r.URL.Path)),
		slog.Int("status", rec.status),
		slog.Int64("bytes", rec.bytes),
		slog.Duration("duration", now.Sub(start)))
	_ = log.Handler().Handle(r.Context(), line) // as a Logger does
}

// maxLoggedPath is longer than any path that exists: the log is not for a guest
// to fill.
const maxLoggedPath = 256

func shortened(path string) string {
	if len(path) > maxLoggedPath {
		return path[:maxLoggedPath] + "…"
	}
	return path
}

// recorder remembers who sent a request and how it was answered.
type recorder struct {
	http.ResponseWriter
	caller caller.Caller
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
