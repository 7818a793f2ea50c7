package httpcommon

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"mdserver/internal/instance"
)

// BenchmarkIdentified is what it costs to know a request's sender and to log it.
func BenchmarkIdentified(b *testing.B) {
	known := guests{netip.MustParseAddr("10.122.0.5"): {Name: "web1"}}
	handler := Identified(known.identify, LogTo(slog.New(slog.NewTextHandler(io.Discard, nil))), http.HandlerFunc(
		func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "/latest/meta-data/instance-id", nil)
	r.RemoteAddr = "10.122.0.5:4711"
	w := httptest.NewRecorder()
	for b.Loop() {
		handler.ServeHTTP(w, r)
	}
}

// BenchmarkAppendLine is what a request's line in the log costs.
func BenchmarkAppendLine(b *testing.B) {
	r := httptest.NewRequest(http.MethodGet, "/latest/meta-data/instance-id", nil)
	a := Answer{At: time.Now(), Duration: 33 * time.Microsecond, Status: http.StatusOK, Bytes: 19}
	a.Caller.Addr, a.Caller.Guest = netip.MustParseAddr("10.122.0.5"), &instance.Instance{Name: "web1"}
	b.Run("here", func(b *testing.B) {
		for b.Loop() {
			var space [512]byte
			AppendLine(space[:0], r, a)
		}
	})
	b.Run("slog", func(b *testing.B) {
		tell := LogTo(slog.New(slog.NewTextHandler(io.Discard, nil)))
		for b.Loop() {
			tell(r, a)
		}
	})
}
