package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mdserver/internal/caller"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/visible"
)

func requestOf(name, addr string) (*http.Request, httpcommon.Answer) {
	a := httpcommon.Answer{At: time.Now(), Status: http.StatusOK}
	a.Caller = caller.Caller{Addr: netip.MustParseAddr(addr)}
	if name != "" {
		a.Caller.Guest = &instance.Instance{Name: name}
	}
	return httptest.NewRequest(http.MethodGet, "/latest/meta-data/", nil), a
}

// TestCauser checks that the name or UUID of a guest or domain says who caused a line.
// Addresses and MACs, which a sender can invent, only say that a client did.
func TestCauser(t *testing.T) {
	for _, tt := range []struct {
		fields []any
		about  string
		caused bool
	}{
		{nil, "", false},
		{[]any{"network", "mds", "error", "x"}, "", false},
		{[]any{"guest", "web1"}, "web1", true},
		{[]any{"domain", "web1"}, "web1", true},
		{[]any{"uuid", "7e5a"}, "7e5a", true},
		{[]any{"error", "x", "guest", "web1", "uuid", "7e5a"}, "web1", true},
		{[]any{"client", "10.0.0.5"}, "", true},
		{[]any{"mac", "52:54:00:00:00:01"}, "", true},
		{[]any{"client", "10.0.0.5", "guest", "web1"}, "web1", true},
	} {
		r := slog.NewRecord(time.Time{}, slog.LevelWarn, "message", 0)
		r.Add(tt.fields...)
		if about, caused := causer(r); about != tt.about || caused != tt.caused {
			t.Errorf("%v: %q, %v", tt.fields, about, caused)
		}
	}
}

// A flood leaves others' lines alone, and its own are counted at the end.
func TestFloodOfRequests(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "log")
			cfg := load(t, "[mdserver]\nlogfile = "+file+"\n[loglevels]\nlog_format = "+format+"\n")
			var stream bytes.Buffer
			l := Open(cfg, &stream)
			for range 10_000 {
				l.Request(requestOf("web1", "10.122.0.5"))
			}
			for i := range 10_000 { // one that makes up addresses
				l.Request(requestOf("", fmt.Sprintf("10.9.%d.%d", i>>8, i&0xff)))
			}
			for range 100 {
				l.Request(requestOf("web2", "10.122.0.6"))
			}
			l.Close()
			written, err := os.ReadFile(file)
			if err != nil || string(written) != stream.String() {
				t.Errorf("stream and file differ (%v)", err)
			}
			want := 2*requestLines.Burst + 100 + 2
			if n := strings.Count(stream.String(), "\n"); n < want || n > want+20 {
				t.Errorf("%d lines, want about %d", n, want)
			}
			if n := strings.Count(stream.String(), "web2"); n != 100 {
				t.Errorf("%d lines of the quiet guest, want 100", n)
			}
			for _, who := range []string{"guest", "strangers"} {
				if summary := lineWith(stream.String(), "request lines omitted", who); summary == "" {
					t.Errorf("no summary of %s", who)
				}
			}
		})
	}
}

func lineWith(log string, words ...string) string {
	for line := range strings.Lines(log) {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return line
		}
	}
	return ""
}

// Whatever warns of a guest or of strangers is bounded without its doing.
func TestFloodOfWarnings(t *testing.T) {
	var stream bytes.Buffer
	l := Open(load(t, "[mdserver]\nlogfile =\n"), &stream)
	log := l.logger.With("part", "test")
	for i := range 1000 {
		log.Warn("request refused", "guest", "web1", "client", i)
		log.Warn("connection refused", "client", fmt.Sprintf("10.0.0.%d", i))
		log.Warn("guest not updated from its domain", "uuid", "7e5a544d", "error", "x")
		log.Error("of the server itself", "error", "x")
	}
	log.Warn("request refused", "guest", "web2")
	l.Close()
	out := stream.String()
	if n := strings.Count(out, "of the server itself"); n != 1000 {
		t.Errorf("%d lines of the server's own, want all 1000", n)
	}
	if n := strings.Count(out, "\n"); n > 1000+3*(eventLines.Burst+2)+1 {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(out, "guest=web2") {
		t.Error("another guest's warning is left out")
	}
	for _, message := range []string{"request refused", "connection refused", "guest not updated from its domain"} {
		if lineWith(out, "lines omitted", message) == "" {
			t.Errorf("no summary of %q in\n%s", message, out)
		}
	}
}

// No field can break a line, reach a terminal as it is or fill the log.
func TestHostileFields(t *testing.T) {
	const hostile = "web1\x1b[31m\nlevel=ERROR msg=forged\u202e\u009b\x9b\u2028\U000e0041"
	for _, format := range []string{"text", "json"} {
		var stream bytes.Buffer
		l := Open(load(t, "[mdserver]\nlogfile =\n[loglevels]\nlog_format = "+format+"\n"), &stream)
		l.logger.Warn(hostile, "guest", hostile, "error", errors.New(hostile), "list", []string{hostile})
		l.logger.Warn("long", "guest", strings.Repeat("n", 900_000))
		r, a := requestOf(strings.Repeat(hostile, 1000), "10.122.0.5")
		r.Method, r.URL.Path = strings.Repeat("M", 16_000), strings.Repeat("\x01", 16_000)
		l.Request(r, a)
		l.Close()
		lines := strings.Split(strings.TrimSuffix(stream.String(), "\n"), "\n")
		if len(lines) != 3 {
			t.Errorf("%d lines: %q", len(lines), lines)
		}
		for _, line := range lines {
			if visible.String(line) != line || len(line) > 4096 {
				t.Errorf("%d bytes: %q", len(line), line)
			}
			if format == "json" && !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %s", line)
			}
		}
	}
}
