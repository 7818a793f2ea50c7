package daemon

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/daemon/router"
	"mdserver/internal/fdtest"
)

// TestStopAnswers checks that a server that is stopped answers the requests that have arrived,
// and does until then what they may wait for. It lets go of libvirt at once, since no
// guest becomes known any more.
func TestStopAnswers(t *testing.T) {
	s := newServer(t)
	s.beginWithGuest(uuid.UUID{15: 1})
	arrived, answer := make(chan struct{}), make(chan struct{})
	s.router.Store(&router.Router{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-answer
		w.WriteHeader(http.StatusAccepted)
	})})
	status := make(chan int)
	go func() { status <- get(s.at, "/") }()
	<-arrived
	s.end()
	s.await("the end of libvirt's connections", func() bool { return s.libvirt.Connections() == 0 })
	select {
	case err := <-s.ended:
		t.Errorf("it has ended before its answer: %v", err)
	default:
	}
	if err := s.applier.Ask(t.Context()); err != nil {
		t.Errorf("networks are not applied any more: %v", err)
	}
	close(answer)
	if got := <-status; got != http.StatusAccepted {
		t.Errorf("the answer is %d", got)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestCloseLetsGo checks that a server that is closed leaves nothing open, nor does one that
// cannot start.
func TestCloseLetsGo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mdserver.conf")
	text := strings.ReplaceAll("[mdserver]\nuserdata_dir = DIR\ndb_file = DIR/legacy.json\n[dnsmasq]\nrun = off\n", "DIR", dir)
	writeFile(t, file, text)
	cfg := loadFile(t, file)
	fdtest.NoneLeft(t, func() {
		_, end := openDaemon(t, cfg, io.Discard)
		end()
	})
}
