package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/libvirt"
)

// send writes a request to the control socket as it is and returns the status
// and the body of the answer.
func send(t *testing.T, socket, head, body string) (int, string) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		_, _ = io.WriteString(conn, "POST /instance-upload HTTP/1.1\r\nHost: x\r\n"+head+"\r\n\r\n"+body)
	}() // the server may hang up
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestIntake(t *testing.T) {
	socket := listen(t, newBackend(t))
	web1 := domain("web1", "701", "01", "mds")
	padded := func(size int) string { return web1 + strings.Repeat(" ", size-len(web1)) }
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n", len(s)) + s + "\r\n" }
	for name, tt := range map[string]struct {
		head, body string
		status     int
		text       string
	}{
		"in chunks":            {"Transfer-Encoding: chunked", chunk(web1[:40]) + chunk(web1[40:]) + "0\r\n\r\n", 200, ""},
		"of the largest size":  {"Content-Length: 1048576", padded(libvirt.MaxDomainXML), 200, ""},
		"largest, in chunks":   {"Transfer-Encoding: chunked", chunk(padded(libvirt.MaxDomainXML)) + "0\r\n\r\n", 200, ""},
		"too large":            {"Content-Length: 1048577", "", 413, "larger than"},
		"too large, in chunks": {"Transfer-Encoding: chunked", chunk(padded(libvirt.MaxDomainXML+1)) + "0\r\n\r\n", 413, "larger than"},
		"none":                 {"Content-Length: 0", "", 400, "empty"},
		"a bad chunk":          {"Transfer-Encoding: chunked", chunk(web1) + "x\r\n", 400, "chunk"},
		"too slow":             {"Content-Length: 1000", "<domain>", 400, "did not arrive within"},
		"too slow, in chunks":  {"Transfer-Encoding: chunked", chunk(web1), 400, "did not arrive within"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, text := send(t, socket, tt.head, tt.body)
			if status != tt.status || !strings.Contains(text, tt.text) {
				t.Errorf("%d %q, want %d and %q", status, text, tt.status, tt.text)
			}
		})
	}
}

// A definition that finds no room waits for it, and is refused in the end. What
// arrives by another way does not wait.
func TestIntakeIsFull(t *testing.T) {
	b := newBackend(t)
	if err := b.Intake.room.Acquire(t.Context(), intakeSize); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := httptest.NewRequest(http.MethodPost, "/instance-upload", strings.NewReader(domain("web1", "701", "01", "mds"))).WithContext(ctx)
	w := httptest.NewRecorder()
	b.Upload(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "at once") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	other := b
	other.Intake = NewIntake()
	if w := upload(other, domain("web1", "701", "01", "mds")); w.Code != http.StatusOK {
		t.Errorf("by another way: %d %s", w.Code, w.Body)
	}
	b.Intake.room.Release(intakeSize)
	if w := upload(b, domain("web1", "701", "01", "mds")); w.Code != http.StatusOK {
		t.Errorf("with room again: %d %s", w.Code, w.Body)
	}
}

// TestRoomForADefinition checks that a definition waits for room, that one of unknown
// length needs room for the largest, and that all room is free afterwards.
func TestRoomForADefinition(t *testing.T) {
	web1 := domain("web1", "701", "01", "mds")
	small := int64(len(web1))
	for name, tt := range map[string]struct {
		length, room int64
		fits         bool
	}{
		"all is free":                {small, intakeSize, true},
		"just enough":                {small, small, true},
		"too little":                 {small, small - 1, false},
		"unknown, just enough":       {-1, libvirt.MaxDomainXML, true},
		"unknown, too little":        {-1, libvirt.MaxDomainXML - 1, false},
		"the largest, too little":    {libvirt.MaxDomainXML, libvirt.MaxDomainXML - 1, false},
		"a larger one does not wait": {libvirt.MaxDomainXML + 1, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := NewIntake()
				if err := in.room.Acquire(t.Context(), intakeSize-tt.room); err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest(http.MethodPost, "/instance-upload", strings.NewReader(web1))
				r.ContentLength = tt.length
				began := time.Now()
				_, err := in.read(httptest.NewRecorder(), r)
				if waited := time.Since(began); errors.Is(err, ErrBusy) == tt.fits || (waited == 0) != tt.fits || waited > 15*time.Second {
					t.Errorf("it waited %v: %v", waited, err)
				}
				if !in.room.TryAcquire(tt.room) {
					t.Error("some of the room is not free again")
				}
			})
		})
	}
}

// timedAnswer notes the deadlines for reading the request.
type timedAnswer struct {
	http.ResponseWriter
	deadlines []time.Time
}

func (a *timedAnswer) SetReadDeadline(at time.Time) error {
	a.deadlines = append(a.deadlines, at)
	return nil
}

// TestTimeForABody checks that the deadline of a body ends with it. If the body does not
// come whole, the deadline stays, since the server reads on.
func TestTimeForABody(t *testing.T) {
	for name, tt := range map[string]struct {
		body  io.Reader
		whole bool
	}{
		"whole":     {strings.NewReader("<domain/>"), true},
		"empty":     {strings.NewReader(""), true},
		"broken":    {iotest.ErrReader(io.ErrUnexpectedEOF), false},
		"too slow":  {iotest.ErrReader(os.ErrDeadlineExceeded), false},
		"too large": {strings.NewReader(strings.Repeat(" ", libvirt.MaxDomainXML+1)), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &timedAnswer{ResponseWriter: httptest.NewRecorder()}
				want := []time.Time{time.Now().Add(bodyTime)}
				if tt.whole {
					want = append(want, time.Time{})
				}
				_, err := readBody(w, httptest.NewRequest(http.MethodPost, "/instance-upload", tt.body), 100)
				if diff := cmp.Diff(want, w.deadlines); diff != "" || (err == nil) != tt.whole {
					t.Errorf("%v, deadlines (-want +got):\n%s", err, diff)
				}
			})
		})
	}
}
