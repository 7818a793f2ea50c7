package httpcommon

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Only systemd's client gets errors without their text, and only errors.
func TestTerse(t *testing.T) {
	absent := func(w http.ResponseWriter) { NotFound(w, "key 7") }
	for name, tt := range map[string]struct {
		agent  string
		answer func(http.ResponseWriter)
		status int
		length string
		body   string
	}{
		"a value for systemd":      {"systemd-imdsd/262.1-1", func(w http.ResponseWriter) { Text(w, "web1") }, 200, "4", "web1"},
		"user-data for systemd":    {"systemd-imdsd/262.1-1", func(w http.ResponseWriter) { Bytes(w, TypeBytes, []byte("{}")) }, 200, "2", "{}"},
		"what systemd has not":     {"systemd-imdsd/261", absent, 404, "0", ""},
		"a bad token of systemd's": {"systemd-imdsd/262.1-1", func(w http.ResponseWriter) { Refuse(w, 401, "Unauthorised: the token is malformed") }, 401, "0", ""},
		"what curl has not":        {"curl/8.14.1", absent, 404, "25", "Resource not found: key 7"},
		"what nobody has":          {"", absent, 404, "25", "Resource not found: key 7"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/latest/meta-data/public-ipv4", nil)
		r.Header.Set("User-Agent", tt.agent)
		w := httptest.NewRecorder()
		Terse(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.answer(w) })).ServeHTTP(w, r)
		if w.Code != tt.status || w.Header().Get("Content-Length") != tt.length || w.Body.String() != tt.body {
			t.Errorf("%s: %d, %s bytes %q; want %d, %s bytes %q", name, w.Code, w.Header().Get("Content-Length"), w.Body, tt.status, tt.length, tt.body)
		}
	}
}

// Handlers behind Terse can still set the deadlines of a connection.
func TestTerseKeepsTheConnection(t *testing.T) {
	until := time.Unix(1_700_000_000, 0)
	handler := Terse(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(until); err != nil {
			t.Error(err)
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("User-Agent", "systemd-imdsd/262.1-1")
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	if handler.ServeHTTP(w, r); !w.set.Equal(until) {
		t.Errorf("the deadline is %v", w.set)
	}
}
