package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

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
	if act == "unix" {
		conn, err := net.Dial("unix", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		fmt.Println("done")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return nil
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

// The owner is that of the one socket that was asked for, while it is established.
func TestOwner(t *testing.T) {
	own, peer, other := netip.MustParseAddrPort("127.0.0.1:40000"), netip.MustParseAddrPort("127.0.0.1:80"), netip.MustParseAddrPort("127.0.0.1:81")
	for name, tt := range map[string]struct {
		socket answer
		want   error
	}{
		"the socket":         {answer{netlink.TCP_ESTABLISHED, own, peer, nobody, 1}, nil},
		"a listener":         {answer{netlink.TCP_LISTEN, own, peer, nobody, 1}, ErrNoSender},
		"one that is closed": {answer{netlink.TCP_FIN_WAIT1, own, peer, nobody, 1}, ErrNoSender},
		"one without a file": {answer{netlink.TCP_ESTABLISHED, own, peer, nobody, 0}, ErrNoSender},
		"of another address": {answer{netlink.TCP_ESTABLISHED, other, peer, nobody, 1}, ErrNoSender},
		"to another address": {answer{netlink.TCP_ESTABLISHED, own, other, nobody, 1}, ErrNoSender},
		"the other end":      {answer{netlink.TCP_ESTABLISHED, peer, own, nobody, 1}, ErrNoSender},
	} {
		uid, err := tt.socket.owner(own, peer)
		if !errors.Is(err, tt.want) || err == nil && uid != nobody {
			t.Errorf("%s: user %d, %v, want %v", name, uid, err, tt.want)
		}
	}
}

// An IPv4 connection has the same addresses, whichever kind of socket it is of.
func TestReadAnswer(t *testing.T) {
	want := answer{1, netip.MustParseAddrPort("127.0.0.1:258"), netip.MustParseAddrPort("127.0.0.2:772"), 7, 9}
	of := func(family byte, own, peer string) []byte {
		data := make([]byte, answerSize)
		data[0], data[1] = family, want.state
		copy(data[4:], []byte{1, 2, 3, 4}) // the ports
		copy(data[8:24], netip.MustParseAddr(own).AsSlice())
		copy(data[24:40], netip.MustParseAddr(peer).AsSlice())
		binary.NativeEndian.PutUint32(data[64:], want.uid)
		binary.NativeEndian.PutUint32(data[68:], want.inode)
		return data
	}
	for name, data := range map[string][]byte{
		"an IPv4 socket":    of(unix.AF_INET, "127.0.0.1", "127.0.0.2"),
		"an IPv6 socket":    of(unix.AF_INET6, "::ffff:127.0.0.1", "::ffff:127.0.0.2"),
		"a longer document": append(of(unix.AF_INET, "127.0.0.1", "127.0.0.2"), 1, 2, 3, 4),
	} {
		if got, err := readAnswer(data); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	if _, err := readAnswer(make([]byte, answerSize-1)); err == nil {
		t.Error("an answer that is cut off is read")
	}
}

// The user of a Unix socket's other end is not its group.
func TestPeerUser(t *testing.T) {
	roottest.Need(t, "runs processes of other users")
	l, err := net.Listen("unix", fmt.Sprintf("@mdserver-sockdiag-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	startPeer(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: 1}}, l.Addr().String(), "0", "unix")
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if uid, err := PeerUser(conn.(*net.UnixConn)); err != nil || uid != nobody {
		t.Errorf("user %d, %v", uid, err)
	}
}

// Sockets that accept any sender are listed, with the interface that they are bound to.
// Those of connections are not.
func TestListening(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	connected, err := net.Dial("udp", udp.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	tcp, tcp6 := listenOn(t, "127.0.0.1:0"), listenOn(t, "[::1]:0")
	client, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	loopback, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	bound := listenOnLink(t, loopback.Name)

	all, err := Listening()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		proto  string
		addr   net.Addr
		listed bool
		link   int
	}{
		"a listener":          {"tcp", tcp.Addr(), true, 0},
		"an IPv6 listener":    {"tcp", tcp6.Addr(), true, 0},
		"one of an interface": {"tcp", bound.Addr(), true, loopback.Index},
		"a client":            {"tcp", client.LocalAddr(), false, 0},
		"a UDP server":        {"udp", udp.LocalAddr(), true, 0},
		"a UDP client":        {"udp", connected.LocalAddr(), false, 0},
	} {
		i := slices.IndexFunc(all, func(s Socket) bool { return s.Proto == tt.proto && s.Addr.String() == tt.addr.String() })
		if (i >= 0) != tt.listed {
			t.Errorf("%s, %s, is listed: %v", name, tt.addr, i >= 0)
		} else if i >= 0 && (all[i].Inode == 0 || all[i].Link != tt.link) {
			t.Errorf("%s is %+v", name, all[i])
		}
	}
}

// listenOnLink listens on one interface alone.
func listenOnLink(t *testing.T, link string) net.Listener {
	t.Helper()
	var failed error
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		err := raw.Control(func(fd uintptr) { failed = unix.BindToDevice(int(fd), link) })
		return errors.Join(err, failed)
	}}
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
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
