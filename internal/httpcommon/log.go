package httpcommon

import (
	"log/slog"
	"net/http"

	"mdserver/internal/visible"
)

// A request's line in the log tells who asked what, how it ended and how long
// it took. Bodies, queries and headers are not logged: they may hold secrets.

// maxLogged bounds each field that a sender chose, in bytes between quotes. It
// is longer than any path that exists: the log is not for a guest to fill.
const maxLogged = 256

func loggable(text string) string { return visible.Quotable(text, maxLogged) }

// LogTo tells a log of each request.
func LogTo(log *slog.Logger) LogFunc {
	return func(r *http.Request, a Answer) {
		level := a.Level()
		if !log.Enabled(r.Context(), level) {
			return
		}
		line := slog.NewRecord(a.At, level, "request", 0)
		line.AddAttrs(
			slog.String("client", a.Caller.Addr.String()),
			slog.String("guest", loggable(a.Guest())),
			slog.String("method", loggable(r.Method)),
			slog.String("path", loggable(r.URL.Path)),
			slog.Int("status", a.Status),
			slog.Int64("bytes", a.Bytes),
			slog.Duration("duration", a.Duration))
		_ = log.Handler().Handle(r.Context(), line) // as a Logger does
	}
}

// Level is how much a request matters to a log.
func (a Answer) Level() slog.Level {
	if a.Status >= http.StatusInternalServerError {
		return slog.LevelError
	}
	return slog.LevelInfo
}

// Guest is the name of the guest that asked, empty if it was none.
func (a Answer) Guest() string {
	if a.Caller.Guest == nil {
		return ""
	}
	return a.Caller.Guest.Name
}
