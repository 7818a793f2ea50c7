package service

import (
	"log/slog"

	"net/http/httptest"
	"net/netip"
	"testing"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
)

type nobody struct{}

func (nobody) ByAddr(netip.Addr) (*instance.Instance, bool) { return nil, false }

func TestTree(t *testing.T) {
	about := New(Info{
		Name: "rack4", Type: "mdserver", Version: "1.0", ReleaseDate: "2026-11-24", Location: "host1",
		EC2Versions: []string{"2009-04-04", "latest"}, Configuration: []string{"a.b=c", "d.e=None"},
	})
	handler := httpcommon.Identified(frontendtest.Identify(nobody{}), httpcommon.LogTo(slog.New(slog.DiscardHandler)), about)
	tests := []struct {
		from, method, path string
		status             int
		body               string
	}{
		{"10.0.0.1", "GET", "/service", 200, "name\ntype\nversion\nlocation\nec2_versions"},
		{"10.0.0.1", "GET", "/service/", 200, "name\ntype\nversion\nlocation\nec2_versions"},
		{"10.0.0.1", "GET", "/service/name", 200, "rack4"},
		{"10.0.0.1", "GET", "/service/type", 200, "mdserver"},
		{"10.0.0.1", "GET", "/service/version", 200, "1.0 (2026-11-24)"},
		{"10.0.0.1", "GET", "/service/location", 200, "host1"},
		{"10.0.0.1", "GET", "/service/ec2_versions", 200, "2009-04-04\nlatest"},
		{"10.0.0.1", "GET", "/service/configuration", 401, "Unauthorised client: 10.0.0.1"},
		{"127.0.0.1", "GET", "/service/configuration", 200, "a.b=c\nd.e=None"},
		{"127.0.0.1", "POST", "/service/name", 405, "Method not allowed: POST"},
		{"127.0.0.1", "GET", "/service/secret", 404, "Resource not found: Not found: '/service/secret'"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		r.RemoteAddr = tt.from + ":1"
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s %s: %d %q, want %d %q", tt.from, tt.path, w.Code, w.Body, tt.status, tt.body)
		}
	}
}
