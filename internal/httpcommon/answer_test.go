package httpcommon

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/caller"
)

// Each answer says how long it is and what it is: without a length, clients get it in
// chunks, and a HEAD gets none.
func TestAnswers(t *testing.T) {
	stranger := caller.Caller{Addr: netip.MustParseAddr("10.122.0.9")}
	for name, tt := range map[string]struct {
		answer      func(http.ResponseWriter)
		status      int
		contentType string
		body        string
	}{
		"a value":                 {func(w http.ResponseWriter) { Text(w, "größe") }, 200, "text/plain; charset=utf-8", "größe"},
		"an empty value":          {func(w http.ResponseWriter) { Text(w, "") }, 200, "text/plain; charset=utf-8", ""},
		"a long value":            {func(w http.ResponseWriter) { Text(w, strings.Repeat("x", 1<<16)) }, 200, "text/plain; charset=utf-8", strings.Repeat("x", 1<<16)},
		"bytes":                   {func(w http.ResponseWriter) { Bytes(w, TypeBytes, []byte("\x00\xff\n")) }, 200, "application/octet-stream", "\x00\xff\n"},
		"bytes of a kind":         {func(w http.ResponseWriter) { Bytes(w, "application/json", []byte("{}")) }, 200, "application/json", "{}"},
		"no bytes":                {func(w http.ResponseWriter) { Bytes(w, TypeBytes, nil) }, 200, "application/octet-stream", ""},
		"a listing":               {func(w http.ResponseWriter) { Listing(w, []string{"a/", "b"}) }, 200, "text/plain; charset=utf-8", "a/\nb"},
		"an unknown client":       {func(w http.ResponseWriter) { UnknownClient(w, stranger) }, 400, "text/plain; charset=utf-8", "Unknown client: 10.122.0.9"},
		"a client without rights": {func(w http.ResponseWriter) { Unauthorised(w, stranger) }, 401, "text/plain; charset=utf-8", "Unauthorised client: 10.122.0.9"},
		"what is not there":       {func(w http.ResponseWriter) { NotFound(w, "key 7") }, 404, "text/plain; charset=utf-8", "Resource not found: key 7"},
		"a refusal":               {func(w http.ResponseWriter) { Refuse(w, 503, "full") }, 503, "text/plain; charset=utf-8", "full"},
	} {
		w := httptest.NewRecorder()
		tt.answer(w)
		if w.Code != tt.status || w.Header().Get("Content-Type") != tt.contentType || w.Body.String() != tt.body {
			t.Errorf("%s: %d, %s %q; want %d, %s %q", name, w.Code, w.Header().Get("Content-Type"), w.Body, tt.status, tt.contentType, tt.body)
		}
		if got := w.Header().Get("Content-Length"); got != strconv.Itoa(len(tt.body)) {
			t.Errorf("%s: its length is given as %q, want %d", name, got, len(tt.body))
		}
	}
}

func TestOnlyReads(t *testing.T) {
	for method, want := range map[string]bool{
		"GET": true, "HEAD": true, "POST": false, "PUT": false, "DELETE": false, "PATCH": false, "OPTIONS": false, "TRACE": false, "get": false,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method = method
		if got := OnlyReads(w, r); got != want {
			t.Errorf("%s may go on: %v, want %v", method, got, want)
		}
		switch {
		case want && (w.Code != 200 || w.Body.Len() > 0 || len(w.Header()) > 0):
			t.Errorf("%s is answered already: %d %s", method, w.Code, w.Body)
		case !want && (w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" || w.Body.String() != "Method not allowed: "+method):
			t.Errorf("%s: %d, Allow %q, %s", method, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
}

// What is for another server is not served, and the answer says nothing else.
func TestMisdirectedRequestEndsThere(t *testing.T) {
	handler := NewHosts(nil, nil).Only(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was served") }))
	if w := ask(handler, "10.122.0.5:4711", "evil.example", nil); w.Body.String() != "Misdirected request: this server has no such name or address; see accept_hosts" {
		t.Error(w.Body)
	}
}

func TestFromCloudInit(t *testing.T) {
	for agent, want := range map[string]bool{
		"Cloud-Init/22.4.2": true, "Cloud-Init/25.1": true, "cloud-init/25.1": false, "Cloud-Init": false, "curl/8 Cloud-Init/25.1": false, "": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("User-Agent", agent)
		if got := FromCloudInit(r); got != want {
			t.Errorf("%q: %v, want %v", agent, got, want)
		}
	}
}

// deadlines are a connection whose deadlines can be set.
type deadlines struct {
	*httptest.ResponseRecorder
	set time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.set = at
	return nil
}

// Handlers behind Identified can still set the deadlines of a connection.
func TestIdentifiedKeepsTheConnection(t *testing.T) {
	known, until := guests{}, time.Unix(1_700_000_000, 0)
	handler := Identified(known.identify, func(*http.Request, Answer) {}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(until); err != nil {
			t.Error(err)
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.122.0.5:4711"
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	if handler.ServeHTTP(w, r); !w.set.Equal(until) {
		t.Errorf("the deadline is %v", w.set)
	}
}

// An answer is dated by its end, and took what its handler did.
func TestTimeOfAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got Answer
		handler := Identified(guests{}.identify, func(_ *http.Request, a Answer) { got = a }, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(3 * time.Second) }))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.122.0.5:4711"
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if got.Duration != 3*time.Second || !got.At.Equal(began.Add(3*time.Second)) {
			t.Errorf("at %v, %v after its begin %v", got.At, got.Duration, began)
		}
	})
}

// failing is a client that hangs up after two bytes.
type failing struct{ *httptest.ResponseRecorder }

func (failing) Write(p []byte) (int, error)       { return min(2, len(p)), errors.New("hung up") }
func (failing) WriteString(s string) (int, error) { return min(2, len(s)), errors.New("hung up") }

// What was sent is counted, not what was to be sent.
func TestBytesThatWereSent(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"text":  func(w http.ResponseWriter) { Text(w, "hello") },
		"bytes": func(w http.ResponseWriter) { Bytes(w, TypeBytes, []byte("hello")) },
	} {
		var got Answer
		handler := Identified(guests{}.identify, func(_ *http.Request, a Answer) { got = a }, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.122.0.5:4711"
		if handler.ServeHTTP(failing{httptest.NewRecorder()}, r); got.Bytes != 2 {
			t.Errorf("%s: %d bytes were sent, want 2", name, got.Bytes)
		}
	}
}

// A line has each fact in its own field, and a log that wants errors only gets no others.
func TestLineOfARequest(t *testing.T) {
	at := time.Date(2026, 11, 26, 4, 5, 6, 0, time.UTC)
	known := Answer{Caller: caller.Caller{Addr: netip.MustParseAddr("10.122.0.5")}, At: at, Duration: 33 * time.Millisecond, Bytes: 19}
	r := httptest.NewRequest(http.MethodPut, "/latest/api/token?secret", nil)
	for level, want := range map[slog.Level]map[int]string{
		slog.LevelInfo: {
			200: "time=2026-11-26T04:05:06.000Z level=INFO msg=request client=10.122.0.5 guest=\"\" method=PUT path=/latest/api/token status=200 bytes=19 duration=33ms\n",
			500: "time=2026-11-26T04:05:06.000Z level=ERROR msg=request client=10.122.0.5 guest=\"\" method=PUT path=/latest/api/token status=500 bytes=19 duration=33ms\n",
		},
		slog.LevelError: {
			404: "",
			500: "time=2026-11-26T04:05:06.000Z level=ERROR msg=request client=10.122.0.5 guest=\"\" method=PUT path=/latest/api/token status=500 bytes=19 duration=33ms\n",
		},
	} {
		for status, line := range want {
			var log bytes.Buffer
			known.Status = status
			LogTo(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})))(r, known)
			if log.String() != line {
				t.Errorf("%d for a log of %s:\n%swant\n%s", status, level, &log, line)
			}
		}
	}
}

// The request that came in stays as it was: its line in the log shows its path.
func TestNormaliseLeavesTheRequest(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "//latest//meta%2Ddata/", nil)
	Normalise(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(httptest.NewRecorder(), r)
	if r.URL.Path != "//latest//meta-data/" || r.URL.RawPath != "//latest//meta%2Ddata/" {
		t.Errorf("now it is %q, %q", r.URL.Path, r.URL.RawPath)
	}
}
