package face

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A request's line in the log tells who asked what, how it ended and how long
// it took. Bodies, queries and headers are not logged: they may hold secrets.

// LogTo tells a log of each request.
func LogTo(log *slog.Logger) Tell {
	return func(r *http.Request, a Answer) {
		level := a.Level()
		if !log.Enabled(r.Context(), level) {
			return
		}
		line := slog.NewRecord(a.At, level, "request", 0)
		line.AddAttrs(
			slog.String("client", a.Caller.Addr.String()),
			slog.String("guest", a.guest()),
			slog.String("method", r.Method),
			slog.String("path", shortened(r.URL.Path)),
			slog.Int("status", a.Status),
			slog.Int64("bytes", a.Bytes),
			slog.Duration("duration", a.Duration))
		_ = log.Handler().Handle(r.Context(), line) // as a Logger does
	}
}

// AppendLine appends the line that LogTo makes with a slog.TextHandler. To make
// it here takes a third of the time: next to an answer, that counts.
func AppendLine(line []byte, r *http.Request, a Answer) []byte {
	line = append(line, "time="...)
	line = a.At.AppendFormat(line, "2006-01-02T15:04:05.000Z07:00")
	line = append(line, " level="...)
	line = append(line, a.Level().String()...)
	line = append(line, " msg=request client="...)
	line = appendValue(line, a.Caller.Addr.String())
	line = append(line, " guest="...)
	line = appendValue(line, a.guest())
	line = append(line, " method="...)
	line = appendValue(line, r.Method)
	line = append(line, " path="...)
	line = appendValue(line, shortened(r.URL.Path))
	line = append(line, " status="...)
	line = strconv.AppendInt(line, int64(a.Status), 10)
	line = append(line, " bytes="...)
	line = strconv.AppendInt(line, a.Bytes, 10)
	line = append(line, " duration="...)
	line = append(line, a.Duration.String()...)
	return append(line, '\n')
}

func appendValue(line []byte, value string) []byte {
	if value == "" || strings.ContainsFunc(value, needsQuotes) {
		return strconv.AppendQuote(line, value)
	}
	return append(line, value...)
}

func needsQuotes(r rune) bool {
	if r < utf8.RuneSelf {
		return r <= ' ' || r == '"' || r == '=' || r == 0x7f
	}
	return r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r)
}

// Level is how much a request matters to a log.
func (a Answer) Level() slog.Level {
	if a.Status >= http.StatusInternalServerError {
		return slog.LevelError
	}
	return slog.LevelInfo
}

func (a Answer) guest() string {
	if a.Caller.Guest == nil {
		return ""
	}
	return a.Caller.Guest.Name
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
