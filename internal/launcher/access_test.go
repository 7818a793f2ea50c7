package launcher

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMayAsk(t *testing.T) {
	for _, tt := range []struct {
		name        string
		client, uid uint32
		want        bool
	}{
		{"root", 990, 0, true},
		{"the server's user", 990, 990, true},
		{"another user", 990, 1000, false},
		{"another user of a server that is root's", 0, 1000, false},
	} {
		if got := (&Server{Client: tt.client}).mayAsk(tt.uid); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// asNobody calls f as a user who is not root.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // the thread ends with the goroutine
		const nobody, same = 65534, ^uintptr(0)
		if _, _, err := unix.RawSyscall(unix.SYS_SETRESUID, same, nobody, same); err != 0 {
			t.Errorf("become another user: %v", err)
			return
		}
		f()
	}()
	<-ended
}

// TestStranger checks that a user without access gets only the user of the launcher, and
// leaves no trace in the log.
func TestStranger(t *testing.T) {
	l, log := listen(t), &bytes.Buffer{}
	socket := Socket(l.Addr().String())
	asNobody(t, func() { // hangs up before the answer
		if uid, err := socket.User(); err != nil || uid != uint32(os.Getuid()) {
			t.Errorf("the launcher runs as user %d, %v", uid, err)
		}
	})
	stop := serveOn(t, l, uint32(os.Getuid())+1, log)
	asNobody(t, func() {
		const refusal = "has no access, only"
		if _, err := socket.Start([]string{"/bin/true"}, nil); err == nil || !strings.Contains(err.Error(), refusal) {
			t.Errorf("a start: %v", err)
		}
		if err := socket.Signal(os.Getpid(), unix.SIGURG); err == nil || !strings.Contains(err.Error(), refusal) {
			t.Errorf("a signal: %v", err)
		}
	})
	stop()
	if log.Len() > 0 {
		t.Errorf("the log has %s", log)
	}
}

// TestUser checks that asking only for the launcher's user is not logged either.
func TestUser(t *testing.T) {
	l, log := listen(t), &bytes.Buffer{}
	socket := Socket(l.Addr().String())
	if uid, err := socket.User(); err != nil || uid != uint32(os.Getuid()) {
		t.Errorf("the launcher runs as user %d, %v", uid, err)
	}
	stop := serveOn(t, l, uint32(os.Getuid()), log)
	if err := socket.Signal(os.Getpid(), unix.SIGURG); err != nil { // Go ignores the signal; the question before was served by now
		t.Error(err)
	}
	stop()
	if log.Len() > 0 {
		t.Errorf("the log has %s", log)
	}
}

// TestListenAgain checks that a launcher that starts again replaces the former socket, and
// lets all users connect.
func TestListenAgain(t *testing.T) {
	first := listen(t)
	first.SetUnlinkOnClose(false) // as if it had been killed
	path := first.Addr().String()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("the socket has the mode %v, %v", info.Mode(), err)
	}
}
