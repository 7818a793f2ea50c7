package httpcommon

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
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
