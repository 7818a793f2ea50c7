package admin

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/client"
	"mdserver/internal/instance"
)

// serveKnown is serveSocket by a server that knows its clients' users.
func serveKnown(t *testing.T, b Backend) *client.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(b.Handler())
	_ = server.Listener.Close()
	server.Listener = l
	server.Config.ConnContext = WithPeer
	server.Start()
	t.Cleanup(server.Close)
	return client.New(path)
}

// Dumps work while a request hangs, and show where.
func TestDebugWhileARequestHangs(t *testing.T) {
	b := newBackend(t)
	hanging, end := make(chan struct{}), make(chan struct{})
	b.Userdata = func(context.Context, *instance.Instance) ([]byte, error) {
		close(hanging)
		<-end
		return nil, nil
	}
	c := serveKnown(t, b)
	if _, err := c.Register(t.Context(), []byte(domain("web1", "701", "01", "mds"))); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.Userdata(t.Context(), "web1")
	}()
	<-hanging
	text, err := c.Debug(t.Context(), "goroutines")
	if err != nil || !strings.Contains(string(text), "TestDebugWhileARequestHangs.func1") {
		t.Errorf("the dump does not show where the request hangs: %v\n%s", err, text)
	}
	for _, name := range []string{"heap", "allocs"} {
		profile, err := c.Debug(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := gzip.NewReader(bytes.NewReader(profile))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := io.Copy(io.Discard, unpacked); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	use, err := c.Usage(t.Context())
	if err != nil || use.HeapBytes == 0 || use.Goroutines < 3 || use.Descriptors < 3 {
		t.Errorf("%+v, %v", use, err)
	}
	close(end)
	<-done
}

func TestDebugOfNothing(t *testing.T) {
	_, err := serveKnown(t, newBackend(t)).Debug(t.Context(), "secrets")
	if err == nil || err.Error() != `unknown dump "secrets", accepted: allocs, goroutines, heap` {
		t.Errorf("%v", err)
	}
}

func TestDebugIsRoots(t *testing.T) {
	handler := newBackend(t).Handler()
	as := func(uid int) context.Context { return context.WithValue(t.Context(), peerKey{}, uint32(uid)) }
	for _, path := range []string{"/v1/debug?dump=heap", "/v1/debug?dump=goroutines", "/v1/usage"} {
		for name, c := range map[string]struct {
			ctx  context.Context
			want int
		}{
			"root":         {as(0), http.StatusOK},
			"the server":   {as(os.Getuid()), http.StatusOK},
			"another user": {as(os.Getuid() + 4711), http.StatusForbidden},
			"unknown":      {t.Context(), http.StatusForbidden},
		} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil).WithContext(c.ctx))
			if w.Code != c.want {
				t.Errorf("%s for %s: %d, want %d", path, name, w.Code, c.want)
			}
		}
	}
}

// TestPeerThatIsNotKnown checks that a connection whose peer is unknown has no user ID:
// zero would be root's.
func TestPeerThatIsNotKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if uid := WithPeer(t.Context(), open).Value(peerKey{}); uid != uint32(os.Geteuid()) {
		t.Errorf("the connection belongs to the user %v", uid)
	}
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	for name, conn := range map[string]net.Conn{"closed": open, "no socket": pipe} {
		if uid := WithPeer(t.Context(), conn).Value(peerKey{}); uid != nil {
			t.Errorf("%s: the connection belongs to the user %v", name, uid)
		}
	}
}
