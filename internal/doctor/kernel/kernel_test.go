package kernel

import (
	"io/fs"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/boottime"
)

// A wildcard socket is in the way of all others, one on another interface of none.
func TestTakes(t *testing.T) {
	port := netip.MustParseAddrPort
	for _, test := range []struct {
		proto, addr string
		bound       int
		wanted      string
		link        int
		want        bool
	}{
		{"udp", "0.0.0.0:53", 0, "10.122.0.1:53", 3, true},
		{"udp", "[::]:53", 0, "10.122.0.1:53", 3, true},
		{"udp", "[::]:53", 0, "[fd00::1]:53", 3, true},
		{"udp", "0.0.0.0:53", 0, "[fd00::1]:53", 3, false},
		{"udp", "[fd00::1]:53", 0, "0.0.0.0:53", 3, false},
		{"udp", "127.0.0.1:53", 0, "0.0.0.0:53", 3, true},
		{"udp", "0.0.0.0:53", 4, "10.122.0.1:53", 3, false},
		{"udp", "0.0.0.0:53", 4, "10.122.0.1:53", 0, true},
		{"udp", "0.0.0.0:53", 3, "10.122.0.1:53", 3, true},
		{"udp", "127.0.0.53:53", 0, "10.122.0.1:53", 3, false},
		{"tcp", "0.0.0.0:53", 0, "10.122.0.1:53", 3, false},
		{"udp", "10.122.0.1:53", 0, "10.122.0.1:53", 3, true},
		{"udp", "10.122.0.1:67", 0, "10.122.0.1:53", 3, false},
		{"udp", "[fe80::1%br0]:53", 0, "[fe80::1%br1]:53", 0, true},
		{"udp", "[fe80::1%br0]:53", 0, "[fe80::2%br0]:53", 0, false},
	} {
		l := Listener{Proto: test.proto, Addr: port(test.addr), Link: test.bound}
		if got := l.Takes("udp", port(test.wanted), test.link); got != test.want {
			t.Errorf("%v on interface %d takes %s on %d: %v, want %v", l, l.Link, test.wanted, test.link, got, test.want)
		}
	}
	if got := (Listener{Proto: "udp", Addr: port("0.0.0.0:53")}).String(); got != "udp 0.0.0.0:53" {
		t.Errorf("named %q", got)
	}
}

func link(index int, name string, flags net.Flags, master int) netlink.Link {
	return &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: index, Name: name, Flags: flags, MasterIndex: master}}
}

func address(index int, text string) netlink.Addr {
	_, network, _ := net.ParseCIDR(text)
	network.IP = net.ParseIP(text[:len(text)-3])
	return netlink.Addr{IPNet: network, LinkIndex: index}
}

func TestLinks(t *testing.T) {
	got := linksOf(
		[]netlink.Link{link(1, "br0", net.FlagUp|net.FlagMulticast, 0), link(2, "vnet0", net.FlagMulticast, 1), link(3, "vnet1", 0, 99)},
		[]netlink.Addr{address(1, "10.0.0.1/24"), address(1, "fe80::1/64"), address(3, "10.0.0.2/24")})
	addr := netip.MustParseAddr
	want := Links{ByName: map[string]Link{
		"br0":   {Index: 1, Up: true, Addrs: []netip.Addr{addr("10.0.0.1"), addr("fe80::1")}},
		"vnet0": {Index: 2, Master: "br0"},
		"vnet1": {Index: 3, Addrs: []netip.Addr{addr("10.0.0.2")}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	br0 := got.ByName["br0"]
	if !br0.Has(addr("fe80::1%br0")) || !br0.Has(addr("10.0.0.1")) || br0.Has(addr("10.0.0.2")) {
		t.Error("the addresses of br0 are not its own")
	}
	if !got.Have(addr("10.0.0.2")) || got.Have(addr("10.0.0.3")) {
		t.Error("the addresses of the host are not those of its interfaces")
	}
}

// The kernel lists the loopback interface, and packets to its address stay here.
func TestLoopback(t *testing.T) {
	links := ReadLinks()
	if lo, there := links.ByName["lo"]; links.Err != nil || !there || lo.Index == 0 {
		t.Errorf("%+v", links)
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	want := Route{To: loopback, Exists: true, Local: true, Link: "lo"}
	if got := RouteTo(loopback); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	unreachable := netip.MustParseAddr("240.0.0.1") // class E, which the kernel routes nowhere
	if got := RouteTo(unreachable); got.Local || got.Exists != (got.Link != "no interface") {
		t.Errorf("%+v", got)
	}
	if _, err := RoutesBy("no-such-link", loopback); err == nil {
		t.Error("an interface that is not there has routes")
	}
	if _, err := RoutesBy("lo", loopback); err != nil {
		t.Error(err)
	}
}

// An address is tentative until its interface knows that no other has it. If one
// has, it is a duplicate, and is never used.
func TestTentative(t *testing.T) {
	of := func(text string, flags int) netlink.Addr {
		a := address(1, text)
		a.Flags = flags
		return a
	}
	all := []netlink.Addr{of("fd00::1/64", unix.IFA_F_TENTATIVE), of("fd00::2/64", unix.IFA_F_PERMANENT), of("fd00::3/64", unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED)}
	for text, want := range map[string]bool{"fd00::1": true, "fd00::2": false, "fd00::3": false, "fd00::4": false} {
		if got := isTentative(all, netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// Of the routes by an interface, those that include an address.
func TestIncluding(t *testing.T) {
	route := func(text string) netlink.Route {
		_, dst, _ := net.ParseCIDR(text)
		return netlink.Route{Dst: dst}
	}
	routes := []netlink.Route{{}, route("0.0.0.0/0"), route("10.0.0.0/8"), route("10.122.0.0/24"), route("10.122.1.0/24")}
	want := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.122.0.0/24")}
	if got := including(routes, netip.MustParseAddr("10.122.0.9")); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// procOf is /proc with processes in two network namespaces.
func procOf() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	to := func(target string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
	}
	return fstest.MapFS{
		"proc/self/ns/net": to("net:[1]"),
		"proc/meminfo":     file(""),
		"proc/10/ns/net":   to("net:[1]"),
		"proc/10/comm":     file("dnsmasq\n"),
		"proc/10/cmdline":  file("/usr/sbin/dnsmasq\x00-C\x00a b\x00"),
		"proc/10/cgroup":   file("0::/system.slice/dnsmasq.service\n"),
		"proc/10/stat":     file("10 (a ) b) S 1 10 10 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 420000000 0 0\n"),
		"proc/10/fd/0":     to("/dev/null"),
		"proc/10/fd/3":     to("socket:[77]"),
		"proc/10/fd/4":     to("socket:[78]"),
		"proc/11/ns/net":   to("net:[2]"),
		"proc/11/fd/3":     to("socket:[79]"),
		"proc/12/ns/net":   to("net:[1]"),
		"proc/12/cgroup":   file("1:name=x:/user.slice/a.scope\n0::/init.scope\n"),
		"proc/12/stat":     file("12 (short) S 1\n"),
		"proc/12/fd/9":     to("socket:[79]"),
		"proc/13/comm":     file("thread\n"),
	}
}

func TestProcesses(t *testing.T) {
	r := Reader{procOf()}
	if got := r.Neighbours(); !slices.Equal(got, []int{10, 12}) {
		t.Errorf("the processes of this namespace are %v", got)
	}
	for pid, want := range map[int]Process{
		10: {10, "dnsmasq", "dnsmasq.service", []string{"/usr/sbin/dnsmasq", "-C", "a b"}},
		12: {12, "?", "", nil},
		99: {99, "?", "", nil},
	} {
		if got := r.Process(pid); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if got := r.Process(10).String(); got != "dnsmasq (process 10)" {
		t.Errorf("named %q", got)
	}
	want := map[uint32]int{77: 10, 79: 12}
	if got := r.holders(map[uint32]bool{77: true, 79: true, 80: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("the sockets are held by %v, want %v", got, want)
	}
	for _, root := range []fstest.MapFS{{}, {"proc/self/ns/net": procOf()["proc/self/ns/net"]}} {
		if got := (Reader{root}).Neighbours(); len(got) != 0 {
			t.Errorf("%v of an empty /proc", got)
		}
	}
}

func TestStarted(t *testing.T) {
	r := Reader{procOf()}
	at, err := r.Started(10)
	if want := time.Now().Add(4200000*time.Second - boottime.Now()); err != nil || at.Sub(want).Abs() > time.Minute {
		t.Errorf("started %v, want %v (%v)", at, want, err)
	}
	for pid, want := range map[int]string{12: "/proc/12/stat: too few fields", 99: "/proc/99/stat: file does not exist"} {
		if _, err := r.Started(pid); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := startTicks("1 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x"); err == nil {
		t.Error("a start that is no number is no error")
	}
	for stat, want := range map[string]time.Duration{"1 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19": 19} {
		if got, err := startTicks(stat); got != want || err != nil {
			t.Errorf("%q: %d, %v", stat, got, err)
		}
	}
}

// The sockets of this process are listed with it as their holder.
func TestSockets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	all := Reader{os.DirFS("/")}.Sockets()
	if all.Err != nil {
		t.Fatal(all.Err)
	}
	for proto, addr := range map[string]string{"tcp": l.Addr().String(), "udp": u.LocalAddr().String()} {
		i := slices.IndexFunc(all.List, func(s Listener) bool { return s.String() == proto+" "+addr })
		if i < 0 || all.List[i].Holder.PID != os.Getpid() || len(all.List[i].Holder.Args) == 0 {
			t.Errorf("%s %s: %+v", proto, addr, all.List)
		}
	}
}

func TestTree(t *testing.T) {
	with := func(changes map[string]string) Reader {
		devices := fstest.MapFS{}
		for path, text := range map[string]string{
			"virbr0/bridge/stp_state":     "1\n",
			"virbr0/bridge/forward_delay": "200\n",
			"virbr0/bridge/root_port":     "0\n",
			"virbr0/brif/eth0/port_no":    "0x10\n",
			"virbr0/brif/vnet0/port_no":   "0xb\n",
			"eth0/brport/port_no":         "0x10\n",
			"vnet0/brport/port_no":        "0xb\n",
			"vnet0/tun_flags":             "0x5002\n",
		} {
			devices["sys/class/net/"+path] = &fstest.MapFile{Data: []byte(text)}
		}
		for path, text := range changes {
			devices["sys/class/net/"+path] = &fstest.MapFile{Data: []byte(text)}
		}
		return Reader{devices}
	}
	for name, test := range map[string]struct {
		changes map[string]string
		want    Tree
	}{
		"of libvirt's default network": {nil, Tree{On: true, Delay: 2 * time.Second}},
		"off":                          {map[string]string{"virbr0/bridge/stp_state": "0\n"}, Tree{Delay: 2 * time.Second}},
		"the kernel's default":         {map[string]string{"virbr0/bridge/forward_delay": "1500\n"}, Tree{On: true, Delay: 15 * time.Second}},
		"a switch leads":               {map[string]string{"virbr0/bridge/root_port": "16\n"}, Tree{On: true, Delay: 2 * time.Second}},
		"a guest leads":                {map[string]string{"virbr0/bridge/root_port": "11\n"}, Tree{On: true, Delay: 2 * time.Second, Leader: "vnet0"}},
		"one of two guests leads": {map[string]string{"virbr0/bridge/root_port": "11\n", "virbr0/brif/vnet/port_no": "0xc\n", "vnet/brport/port_no": "0xc\n", "vnet/tun_flags": "0x5002\n"},
			Tree{On: true, Delay: 2 * time.Second, Leader: "vnet0"}},
		"a guest's port has no number yet": {map[string]string{"vnet0/brport/port_no": "0x0\n"}, Tree{On: true, Delay: 2 * time.Second}},
	} {
		if got := with(test.changes).Tree("virbr0"); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	if got := with(nil).Tree("virbr9"); got != (Tree{}) {
		t.Errorf("no bridge: %+v", got)
	}
}
