package sockdiag

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"mdserver/internal/roottest"
)

const nobody = 65534

// TestMain is also the other process: one that connects to the address in the
// first argument, from the port in the second, and then does what the third says.
func TestMain(m *testing.M) {
	if os.Getenv("SOCKDIAG_PEER") == "" {
		os.Exit(m.Run())
	}
	if err := beOther(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func beOther(addr, port, act string) error {
	from, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{Port: from}}).Dial("tcp", addr)
	if err != nil {
		return err
	}
	tcp := conn.(*net.TCPConn)
	if _, err := io.WriteString(tcp, "hello"); err != nil {
		return err
	}
	switch act {
	case "shut down":
		err = tcp.CloseWrite()
	case "close":
		err = tcp.Close()
	case "reset":
		err = errors.Join(tcp.SetLinger(0), tcp.Close())
	}
	fmt.Println("done")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test is through
	return err
}

// startPeer runs the other process until the end of the test and returns when
// it has done its act.
func startPeer(t *testing.T, attr *syscall.SysProcAttr, args ...string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = []string{"SOCKDIAG_PEER=1", "GORACE=atexit_sleep_ms=0"}
	cmd.SysProcAttr = attr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	if _, err := io.ReadFull(stdout, make([]byte, len("done\n"))); err != nil {
		t.Fatal(err)
	}
}

func listenOn(t *testing.T, addr string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

func accept(t *testing.T, l *net.TCPListener) *net.TCPConn {
	t.Helper()
	conn, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.ReadFull(conn, make([]byte, len("hello"))); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	return conn
}

func as(uid uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
}

// inUserNamespace is root there, and uid here.
func inUserNamespace(uid int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		Credential:  &syscall.Credential{Uid: 0, Gid: 0},
	}
}

func TestSender(t *testing.T) {
	roottest.Need(t, "runs processes of other users")
	for _, on := range []struct{ listen, dial string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "[::1]"}, {"[::]:0", "127.0.0.1"}, {"[::]:0", "[::1]"},
		{"127.0.0.1:0", "[::ffff:127.0.0.1]"},
	} {
		for _, tt := range []struct {
			name string
			attr *syscall.SysProcAttr
			act  string
			uid  uint32
			err  error
		}{
			{"root", as(0), "hold", 0, nil},
			{"nobody", as(nobody), "hold", nobody, nil},
			{"root of a user namespace", inUserNamespace(nobody), "hold", nobody, nil},
			{"nobody who has shut down", as(nobody), "shut down", 0, ErrNoSender},
			{"nobody who has closed", as(nobody), "close", 0, ErrNoSender},
			{"nobody who has reset", as(nobody), "reset", 0, ErrNoSender},
			{"root who has closed", as(0), "close", 0, ErrNoSender},
		} {
			t.Run(on.listen+" from "+on.dial+" by "+tt.name, func(t *testing.T) {
				l := listenOn(t, on.listen)
				_, port, _ := net.SplitHostPort(l.Addr().String())
				startPeer(t, tt.attr, on.dial+":"+port, "0", tt.act)
				uid, err := Sender(accept(t, l))
				if !errors.Is(err, tt.err) || uid != tt.uid {
					t.Errorf("%d, %v; want %d, %v", uid, err, tt.uid, tt.err)
				}
			})
		}
	}
}

// A connection that was reset is not taken for one that another user has made
// meanwhile from the same port.
func TestSenderOfAReusedPort(t *testing.T) {
	roottest.Need(t, "runs processes of other users")
	l := listenOn(t, "127.0.0.1:0")
	addr := l.Addr().String()
	free := listenOn(t, "127.0.0.1:0")
	_, port, _ := strings.Cut(free.Addr().String(), ":")
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	startPeer(t, as(nobody), addr, port, "reset")
	first := accept(t, l)
	startPeer(t, as(0), addr, port, "hold")
	second := accept(t, l)
	if first.RemoteAddr().String() != second.RemoteAddr().String() {
		t.Fatalf("the port was not used twice: %s, %s", first.RemoteAddr(), second.RemoteAddr())
	}
	if uid, err := Sender(first); !errors.Is(err, ErrNoSender) {
		t.Errorf("the first connection is taken for that of user %d (%v)", uid, err)
	}
	if uid, err := Sender(second); err != nil || uid != 0 {
		t.Errorf("the second connection: %d, %v", uid, err)
	}
}

func TestListening(t *testing.T) {
	l := listenOn(t, "127.0.0.1:0")
	all, err := Listening()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Proto == "tcp" && s.Addr.String() == l.Addr().String() && s.Inode != 0 {
			return
		}
	}
	t.Errorf("%s is not among %v", l.Addr(), all)
}

func FuzzReadAnswer(f *testing.F) {
	f.Add(make([]byte, answerSize))
	f.Add([]byte{2, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := readAnswer(data); err == nil && got.own.Addr().Is4In6() {
			t.Errorf("%+v has a mapped address", got)
		}
	})
}
