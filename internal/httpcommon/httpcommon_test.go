package httpcommon

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"mdserver/internal/caller"
	"mdserver/internal/instance"
	"mdserver/internal/visible"
)

type guests map[netip.Addr]*instance.Instance

func (g guests) identify(r *http.Request) caller.Caller {
	addr := netip.MustParseAddrPort(r.RemoteAddr).Addr()
	return caller.Caller{Addr: addr, Guest: g[addr], Local: addr.IsLoopback()}
}

func TestNormaliseNeverRedirects(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != (&url.URL{Path: r.URL.Path}).EscapedPath() {
			t.Errorf("%s: the raw path is still %s", r.URL.Path, r.URL.RawPath)
		}
		Text(w, r.URL.Path)
	})
	tests := []struct {
		path, want string
		status     int
	}{
		{"/", "/", 200},
		{"/latest/meta-data", "/latest/meta-data", 200},
		{"/latest/meta-data/", "/latest/meta-data", 200},
		{"/latest/meta-data/instance-id/", "/latest/meta-data/instance-id", 200},
		{"//", "/", 200},
		{"/latest//meta-data/ramdisk-id", "/latest/meta-data/ramdisk-id", 200},
		{"//latest///user-data//", "/latest/user-data", 200},
		{"/latest/%2e%2e/x", "Resource not found: Not found: '/latest/../x'", 404},
		{"/a/../b", "Resource not found: Not found: '/a/../b'", 404},
		{"/./b", "Resource not found: Not found: '/./b'", 404},
		{"/a%2Fb", "/a/b", 200},
		{"/a%2F", "/a", 200},
		{"/latest/user%2Ddata", "/latest/user-data", 200},
		{"/a/..//", "Resource not found: Not found: '/a/..//'", 404},
		{"/.hidden", "/.hidden", 200},
		{"/a%0Ab", "/a\nb", 200},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		Normalise(mux).ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.path, nil))
		if w.Code != tt.status || w.Body.String() != tt.want {
			t.Errorf("%s: %d %q, want %d %q", tt.path, w.Code, w.Body, tt.status, tt.want)
		}
	}
}

// TestNormaliseKeepsTheQuery checks that a path keeps its query when it is normalised.
func TestNormaliseKeepsTheQuery(t *testing.T) {
	for _, target := range []string{"/a?b=/c//", "/a/?b=/c//", "//a?b=/c//", "/%61?b=/c//"} {
		var got *url.URL
		handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL })
		Normalise(handler).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
		if got.Path != "/a" || got.RawQuery != "b=/c//" {
			t.Errorf("%s: path %q, query %q", target, got.Path, got.RawQuery)
		}
	}
}

// TestIdentifiedTellsTheAnswer checks that status and length are counted however a handler
// writes its answer.
func TestIdentifiedTellsTheAnswer(t *testing.T) {
	known := guests{netip.MustParseAddr("10.122.0.5"): {Name: "web1"}}
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter)
		status int
		bytes  int64
	}{
		"nothing":     {func(http.ResponseWriter) {}, 200, 0},
		"text":        {func(w http.ResponseWriter) { Text(w, "hello") }, 200, 5},
		"bytes":       {func(w http.ResponseWriter) { Bytes(w, TypeBytes, []byte("hello!")) }, 200, 6},
		"a listing":   {func(w http.ResponseWriter) { Listing(w, []string{"a", "b"}) }, 200, 3},
		"a refusal":   {func(w http.ResponseWriter) { Refuse(w, 503, "no") }, 503, 2},
		"two writes":  {func(w http.ResponseWriter) { _, _ = w.Write([]byte("a")); _, _ = w.Write([]byte("bc")) }, 200, 3},
		"status only": {func(w http.ResponseWriter) { w.WriteHeader(204) }, 204, 0},
	} {
		var got Answer
		handler := Identified(known.identify, func(_ *http.Request, a Answer) { got = a }, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.answer(w) }))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.122.0.5:4711"
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if got.Status != tt.status || got.Bytes != tt.bytes || got.Guest() != "web1" {
			t.Errorf("%s: %+v, want %d with %d bytes", name, got, tt.status, tt.bytes)
		}
	}
}

func TestNoSuchPathQuotesWhatAGuestMade(t *testing.T) {
	w := httptest.NewRecorder()
	NoSuchPath(w, httptest.NewRequest(http.MethodGet, "/a%0A%1B[31m", nil))
	if want := `Resource not found: Not found: '/a\n\x1b[31m'`; w.Body.String() != want {
		t.Errorf("%q, want %q", w.Body, want)
	}
}

func TestIdentifiedLogsOneLine(t *testing.T) {
	known := guests{netip.MustParseAddr("10.122.0.5"): {Name: "web\n1"}}
	var log bytes.Buffer
	handler := Identified(known.identify, LogTo(slog.New(slog.NewTextHandler(&log, nil))), http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if Caller(r).Guest == nil {
				t.Error("the handler does not know who asks")
			}
			NotFound(w, "x")
		}))
	r := httptest.NewRequest(http.MethodGet, "/latest/user-data?secret=s3cret", strings.NewReader("s3cret"))
	r.Header.Set("Authorization", "s3cret")
	r.RemoteAddr = "10.122.0.5:4711"
	handler.ServeHTTP(httptest.NewRecorder(), r)
	line := log.String()
	for _, want := range []string{"client=10.122.0.5", `guest="web\n1"`, "path=/latest/user-data", "status=404", "duration="} {
		if !strings.Contains(line, want) {
			t.Errorf("the log line lacks %s: %s", want, line)
		}
	}
	if strings.Contains(line, "s3cret") || strings.Count(line, "\n") != 1 {
		t.Errorf("the log line tells too much: %s", line)
	}
}

// A request's line is bounded, and has visible characters only.
func TestLogTo(t *testing.T) {
	guest := func(name string) caller.Caller {
		return caller.Caller{Addr: netip.MustParseAddr("10.122.0.5"), Guest: &instance.Instance{Name: name}}
	}
	at := time.Date(2026, 11, 26, 4, 5, 6, 7_000_000, time.FixedZone("", 3600))
	for _, a := range []Answer{
		{Caller: guest("web1"), At: at, Duration: 33100, Status: 200, Bytes: 19},
		{Caller: guest("web 1"), At: at.UTC(), Duration: 3 * time.Second, Status: 500},
		{Caller: guest(`a"b`), At: at}, {Caller: guest(`a\b`), At: at}, {Caller: guest("a=b"), At: at},
		{Caller: guest("b\u202eu\x9b\u009b"), At: at}, {Caller: guest("b\ufe0f u\u3164"), At: at}, {Caller: guest(strings.Repeat("\x1b", 1000)), At: at},
		{Caller: guest("büro"), At: at}, {Caller: guest("a\u00a0b\x7f"), At: at}, {Caller: guest("\xff\n"), At: at},
		{Caller: caller.Caller{Addr: netip.MustParseAddr("fe80::1%br0")}, At: at, Status: 400},
		{At: at, Status: 400},
	} {
		for _, text := range []string{"/latest/meta-data/", "/a b", "/" + strings.Repeat("x", 1000), strings.Repeat("\"", 1000), "/\U000e0041\n", strings.Repeat("é", 200)} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Method, r.URL.Path = text, text
			var want bytes.Buffer
			LogTo(slog.New(slog.NewTextHandler(&want, nil)))(r, a)
			if want.Len() > 3*(maxLogged+len(`""`))+200 {
				t.Errorf("a log line of %d bytes: %s", want.Len(), &want)
			}
			if shown := visible.String(want.String()); shown != strings.TrimSuffix(want.String(), "\n")+`\n` {
				t.Errorf("not one line of visible characters: %q", &want)
			}
		}
	}
}

// TestLevel checks that a fault of the server is logged as an error, and a mistake of a guest
// is not.
func TestLevel(t *testing.T) {
	for status, want := range map[int]slog.Level{200: slog.LevelInfo, 404: slog.LevelInfo, 499: slog.LevelInfo, 500: slog.LevelError, 503: slog.LevelError} {
		if got := (Answer{Status: status}).Level(); got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}

func TestALongPathIsLoggedInPart(t *testing.T) {
	var log bytes.Buffer
	handler := Identified(guests{}.identify, LogTo(slog.New(slog.NewTextHandler(&log, nil))), http.HandlerFunc(NoSuchPath))
	r := httptest.NewRequest(http.MethodGet, "/"+strings.Repeat("x", 10_000), nil)
	r.RemoteAddr = "10.122.0.5:4711"
	handler.ServeHTTP(httptest.NewRecorder(), r)
	if log.Len() > 600 {
		t.Errorf("a log line of %d bytes", log.Len())
	}
}

func TestCallerOfAnUnidentifiedRequestMayDoNothing(t *testing.T) {
	c := Caller(httptest.NewRequest(http.MethodGet, "/", nil))
	if c.Guest != nil || c.IsLocal() {
		t.Errorf("caller %+v", c)
	}
}

func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{"/", "//", "/latest//meta-data/", "/../", "/a/./b", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := collapse(path)
		if !strings.HasPrefix(got, "/") || strings.Contains(got, "//") || got != "/" && strings.HasSuffix(got, "/") {
			t.Errorf("collapse(%q) = %q", path, got)
		}
		if collapse(got) != got {
			t.Errorf("collapse is not stable for %q", path)
		}
	})
}
