package router

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"mdserver/internal/daemon/httpserver"
	"mdserver/internal/instance"
)

// TestUploadSource checks that the configuration decides who may upload, and that uploads by
// root are told apart.
func TestUploadSource(t *testing.T) {
	user := errors.New("the sender runs as user 1000")
	for _, tt := range []struct {
		from    string
		notRoot error
		source  string
		refusal string
	}{
		{"root", nil, instance.ByUpload, ""},
		{"root", user, "", "mdserver.upload is root, and the sender runs as user 1000"},
		{"local", nil, instance.ByUpload, ""},
		{"local", user, instance.ByLocal, ""},
		{"socket", nil, "", "mdserver.upload is socket"},
		{"socket", user, "", "mdserver.upload is socket"},
	} {
		source, err := uploads{from: tt.from}.source(tt.notRoot)
		if source != tt.source || (err == nil) != (tt.refusal == "") || err != nil && err.Error() != tt.refusal {
			t.Errorf("upload %s, not root %v: %q, %v", tt.from, tt.notRoot, source, err)
		}
	}
}

func TestCheckUser(t *testing.T) {
	for _, tt := range []struct {
		uid, own int
		root     bool
	}{{0, 0, true}, {0, 999, true}, {999, 999, true}, {1000, 999, false}, {1000, 0, false}} {
		if err := checkUser(tt.uid, tt.own); (err == nil) != tt.root {
			t.Errorf("user %d of a server of %d: %v", tt.uid, tt.own, err)
		}
	}
}

// TestUnknownSender checks that a sender that the kernel does not know is not taken for root,
// whose number is 0.
func TestUnknownSender(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	if err := checkSender(ours); err == nil || !strings.HasPrefix(err.Error(), "the sender's user is not known: ") {
		t.Errorf("error %v", err)
	}
}

// TestUploadByConnection checks that the kernel names the sender of a connection, here the
// user that the server runs as.
func TestUploadByConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := uploads{"root", func(source string, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte(source+": "), body...))
	}}
	server := httpserver.New(handler, func(ctx context.Context, _ net.Conn) context.Context { return ctx }, slog.New(slog.DiscardHandler))
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	resp, err := http.Post("http://"+listener.Addr().String(), "text/xml", strings.NewReader("<domain/>"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != instance.ByUpload+": <domain/>" {
		t.Errorf("%d %q (%v)", resp.StatusCode, body, err)
	}
	http.DefaultClient.CloseIdleConnections()
	httpserver.StopAll(server)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
