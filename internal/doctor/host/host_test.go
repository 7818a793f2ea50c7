package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/account"
	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/doctor/system"
	"mdserver/internal/etcd"
	"mdserver/internal/fdtest"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/hooks"
	"mdserver/internal/libvirt/libvirttest"
)

var (
	errStopped = errors.New("the server does not run")
	addr       = netip.MustParseAddr
	prefix     = netip.MustParsePrefix
)

// server answers as a running server would, or with an error.
type server struct {
	err       error
	status    api.Status
	instances []instance.Instance
	refusals  []api.Refusal
	requests  map[string]api.Requests // by the UUID of the domain
	asked     []string                // to be explained
}

func (s *server) Status(context.Context) (api.Status, error)             { return s.status, s.err }
func (s *server) Instances(context.Context) ([]instance.Instance, error) { return s.instances, s.err }
func (s *server) Refusals(context.Context) ([]api.Refusal, error)        { return s.refusals, s.err }
func (s *server) Explain(_ context.Context, ref string) (api.Explanation, error) {
	s.asked = append(s.asked, ref)
	requests, known := s.requests[ref]
	if !known {
		return api.Explanation{}, errors.New("no such domain")
	}
	return api.Explanation{Requests: requests}, nil
}

func noPrograms(context.Context, string, ...string) (string, error) {
	return "", errors.New("no programs")
}

func testReader(files map[string]string) reader {
	root := fstest.MapFS{}
	for path, text := range files {
		root[path] = &fstest.MapFile{Data: []byte(text), Mode: 0o755}
	}
	return newReader(root, noPrograms)
}

// configure writes a configuration whose files are below a directory of the test.
func configure(t *testing.T, further string) (file, dir string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "mdserver.conf")
	text := strings.NewReplacer("DIR", dir).Replace(`[mdserver]
socket = DIR/sock
database = DIR/db
userdata_dir = DIR/userdata
` + further + `
[dnsmasq]
base_dir = DIR/base
run_dir = DIR/run
binary = DIR/dnsmasq
`)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"userdata", "base", "run"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return file, dir
}

// All facts of a host whose server runs.
func TestRead(t *testing.T) {
	fake := libvirttest.New(t)
	id := uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")
	fake.Define(libvirttest.Domain{UUID: id, Name: "web1", XML: "<domain><name>web1</name><uuid>" + id.String() + "</uuid></domain>"})
	fake.SetBridge("mds", "br-mds")
	file, dir := configure(t, "[libvirt]\nuri = qemu+unix:///system?socket="+fake.Socket+"\n"+
		"[network mds]\ninterface = lo\nnet_address = 10.9.0.0\nnet_prefix = 24\ngateway = 10.9.0.1\n"+
		"[store]\nbackend = etcd\nendpoints = https://127.0.0.1:1\nca_file = DIR/none\n")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("run/mds.pid", "77\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &server{status: api.Status{PID: os.Getpid(), Networks: []api.Network{{Name: "mds", Bridge: "br-mds", PortSecurity: api.PortSecurity{On: true}}}},
		instances: []instance.Instance{{Name: "web1"}}, refusals: []api.Refusal{{Name: "web2"}},
		requests: map[string]api.Requests{id.String(): {Kinds: []api.RequestKind{{Name: "user-data", Status: http.StatusOK}}}}}
	r := testReader(map[string]string{
		"var/lib/libvirt/dnsmasq/x": "", "etc/libvirt/hooks/qemu": "mdserver hook", "sys/class/net/br-mds/bridge/stp_state": "1\n",
		"run/systemd/system/x": "", "sys/kernel/security/apparmor/profiles": "dnsmasq (enforce)\n",
		fmt.Sprintf("proc/%d/comm", os.Getpid()): "libvirtd\n",
	})
	r.system.Run = func(_ context.Context, name string, args ...string) (string, error) {
		switch name {
		case "systemctl":
			if args[3] != "mdserver.service" && args[3] != "systemd-resolved.service" {
				t.Errorf("asked for %q", args)
			}
			return map[string]string{"--property=LoadState": "loaded", "--property=ActiveState": "active"}[args[1]], nil
		case "resolvectl":
			return "Global: a\n", nil
		case "getenforce":
			return "Enforcing", nil
		case "iptables-save":
			return "*filter\n:INPUT DROP [0:0]\n", nil
		}
		return "", errors.New("no " + name)
	}
	h := r.read(t.Context(), file, func(cfg *config.Config) Client {
		if cfg.Server.Socket != dir+"/sock" {
			t.Errorf("the socket is %s", cfg.Server.Socket)
		}
		return s
	}, etcd.Inspect)
	if h.ConfigErr != nil {
		t.Fatal(h.ConfigErr)
	}
	for what, ok := range map[string]bool{
		"the time":                    time.Since(h.Now) < time.Hour,
		"the configuration":           h.ConfigFile == file && h.Config.Server.Database == dir+"/db",
		"libvirt's directory":         h.LibvirtState == StateDir{true, true},
		"SELinux":                     h.SELinux.Enforcing,
		"the clock":                   h.Clock == system.ReadClock(),
		"the server":                  h.Server.Running() && h.Server.Refusals[0].Name == "web2",
		"its account":                 h.Account.Err == nil && h.Account.UID == uint32(os.Geteuid()),
		"the networks":                len(h.Networks) == 1 && h.Networks[0].DnsmasqPID == 77,
		"the routes to guests":        len(h.Networks[0].Returns) == 1,
		"the store":                   errors.Is(h.Store.Err, fs.ErrNotExist),
		"the guests":                  len(h.Guests.List) == 1,
		"files":                       len(h.Files.Used) > 5,
		"libvirt":                     h.Libvirt.Err == nil && h.Libvirt.Daemon.PID == os.Getpid(),
		"a domain":                    len(h.Libvirt.Domains) == 1 && h.Libvirt.Domains[0].Fetched,
		"the unit":                    h.Unit == system.Unit{State: "active"},
		"AppArmor":                    slices.Equal(h.AppArmor.Dirs, []string{dir + "/base", dir + "/run"}),
		"the resolver":                h.Resolver.Runs && h.Resolver.Err == nil,
		"sockets and their processes": len(h.Sockets.List) > 0,
		"the hook":                    h.Hook.Path == "/etc/libvirt/hooks/qemu",
		"interfaces":                  h.Links.ByName["lo"].Index > 0,
		"routes":                      h.Routes["169.254.169.254"].To == addr("169.254.169.254"),
		"sockets":                     h.Sockets.Err == nil,
		"spanning trees":              h.Trees["br-mds"].On,
		"dnsmasq":                     errors.Is(h.Dnsmasq.Missing, fs.ErrNotExist),
		"the firewall":                len(h.Firewall.Rules) == 1 && len(h.Firewall.Blind) == 2,
	} {
		if !ok {
			t.Errorf("%s: not as it is: %+v", what, h)
		}
	}
}

// Without a valid configuration, nothing is read that depends on it.
func TestReadWithoutConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte("[mdserver]\nport = x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if h := Read(t.Context(), file, func(*config.Config) Client { panic("asked") }, nil); h.Config != nil || h.ConfigErr == nil {
		t.Errorf("%+v", h)
	}
	h := testReader(map[string]string{"var/lib/libvirt/x": ""}).read(t.Context(), file, func(*config.Config) Client { panic("asked") }, nil)
	if h.Config != nil || h.ConfigErr == nil || h.ConfigFile != file || h.LibvirtState != (StateDir{Parent: true}) {
		t.Errorf("%+v", h)
	}
}

func TestNetworks(t *testing.T) {
	own := config.Network{Name: "mds", Interface: "br-mds", Gateway: addr("10.1.0.1"), Network: prefix("10.1.0.0/24"), Gateway6: addr("fd00::1"),
		Network6: prefix("fd00::/64"), UseDNS: true, Prefix: "vm-", Domain: "example.net", EntryOrder: []string{"base"}, Run: "child",
		Reserved: []instance.AddrRange{{First: addr("10.1.0.2"), Last: addr("10.1.0.9")}}}
	theirs := config.Network{Name: "default", Backend: config.BackendLibvirt, Run: "off"}
	status := api.Status{Networks: []api.Network{
		{Name: "mds", Bridge: "br9", IPv4: "10.9.0.0/24", IPv6: "fd09::/64", Domain: "else"},
		{Name: "default", Bridge: "virbr0", IPv4: "192.168.122.0/24", IPv6: "fd01::/64", Domain: "lab", Libvirt: &api.LibvirtNetwork{Leases: 253}}}}
	v := Libvirt{Networks: []LibvirtNetwork{{Name: "default", Bridge: "virbr7"}, {Name: "mds", Bridge: "virbr8"}}}
	kept := Network{Name: "mds", Bridge: "br-mds", Gateway: addr("10.1.0.1"), Gateway6: addr("fd00::1"), IPv4: prefix("10.1.0.0/24"), IPv6: prefix("fd00::/64"),
		Reserved: own.Reserved, UseDNS: true, Prefix: "vm-", Domain: "example.net", Order: []string{"base"}, Run: "child"}
	for name, test := range map[string]struct {
		status  api.Status
		libvirt Libvirt
		want    Network // default
		known   bool
	}{
		"libvirt and the server": {status, v, Network{Name: "default", Bridge: "virbr7", Gateway: addr("192.168.122.1"), Gateway6: addr("fd01::1"),
			IPv4: prefix("192.168.122.0/24"), IPv6: prefix("fd01::/64"), Domain: "lab", Run: "off", Libvirt: true, Leases: 253}, true},
		"the server alone": {status, Libvirt{}, Network{Name: "default", Bridge: "virbr0", Gateway: addr("192.168.122.1"), Gateway6: addr("fd01::1"),
			IPv4: prefix("192.168.122.0/24"), IPv6: prefix("fd01::/64"), Domain: "lab", Run: "off", Libvirt: true, Leases: 253}, true},
		"libvirt alone":                       {api.Status{}, v, Network{Name: "default", Bridge: "virbr7", Run: "off", Libvirt: true}, false},
		"the server, which does not know yet": {api.Status{Networks: []api.Network{{Name: "default", IPv4: "invalid Prefix", IPv6: "invalid Prefix"}}}, Libvirt{}, Network{Name: "default", Run: "off", Libvirt: true}, false},
		"neither":                             {api.Status{}, Libvirt{}, Network{Name: "default", Run: "off", Libvirt: true}, false},
	} {
		got := networksOf(&config.Config{Networks: []config.Network{own, theirs}}, test.status, test.libvirt)
		if want := []Network{kept, test.want}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if got[1].Known() != test.known || got[1].OwnDnsmasq() || !got[0].OwnDnsmasq() {
			t.Errorf("%s: known %v, own dnsmasq %v", name, got[1].Known(), got[1].OwnDnsmasq())
		}
	}
	for _, n := range []Network{{Bridge: "b", IPv4: kept.IPv4}, {Bridge: "b", Gateway: kept.Gateway}, {IPv4: kept.IPv4, Gateway: kept.Gateway}} {
		if n.Known() {
			t.Errorf("%+v is known", n)
		}
	}
	if (Network{Run: "off"}).OwnDnsmasq() || (Network{Run: "child", Libvirt: true}).OwnDnsmasq() {
		t.Error("another's dnsmasq is taken for our own")
	}
	known := Network{Name: "a", Bridge: "b", IPv4: kept.IPv4, Gateway: kept.Gateway}
	if got := bridges([]Network{known, {Name: "c", Bridge: "d"}}); !slices.Equal(got, []string{"b"}) {
		t.Errorf("the known bridges are %q", got)
	}
}

// Who answers behind a port that has gone is not known, nor is a port's role without
// root's rights. A bridge without ports needs no answers.
func TestUplinks(t *testing.T) {
	h := &Facts{Networks: []Network{{Name: "mds", Bridge: "br-mds", IPv4: prefix("10.1.0.0/24"), Gateway: addr("10.1.0.1")}}}
	h.Links.ByName = map[string]kernel.Link{"br-mds": {Up: true}, "br-mds/gone": {Up: true, Master: "br-mds"}}
	h.ReadUplinks()
	if len(h.Uplinks) != 1 || h.Uplinks[0].Name != "br-mds/gone" || h.Uplinks[0].Err == nil || os.Geteuid() != 0 && h.RolesErr == nil {
		t.Errorf("%+v, %v, %v", h.Uplinks, h.Roles, h.RolesErr)
	}
	delete(h.Links.ByName, "br-mds/gone")
	h.Roles, h.RolesErr = nil, nil
	h.ReadUplinks()
	if h.Uplinks != nil || h.Roles != nil || h.RolesErr != nil {
		t.Errorf("without ports: %+v, %v, %v", h.Uplinks, h.Roles, h.RolesErr)
	}
}

func TestReturns(t *testing.T) {
	n := Network{Bridge: "lo", Gateway: addr("127.0.0.1"), IPv4: prefix("127.0.0.0/24"), IPv6: prefix("fd00::/64")}
	links := kernel.Links{ByName: map[string]kernel.Link{"lo": {Addrs: []netip.Addr{addr("127.0.0.1"), addr("127.0.0.2")}}, "br1": {}}}
	got := returns(n, links)
	if len(got) != 2 || got[0].Prefix != n.IPv4 || got[0].Route.To != addr("127.0.0.3") || got[0].Route.Link != "lo" || got[1].Route.To != addr("fd00::1") {
		t.Errorf("%+v", got)
	}
	if got[0].Route.By != nil {
		t.Errorf("routes by the bridge itself: %+v", got[0].Route.By)
	}
	n.Bridge, n.IPv6 = "br1", prefix("fd00::/64")
	n.IPv4 = prefix("127.0.0.0/8")
	if got := returns(n, links); len(got) != 2 || got[0].Route.To != addr("127.0.0.1") || got[0].Route.ByErr != nil || got[0].Route.Link != "lo" {
		t.Errorf("%+v", got)
	}
	n.Bridge, n.IPv6 = "lo", netip.Prefix{}
	if got := returns(n, links); len(got) != 1 || got[0].Prefix != n.IPv4 {
		t.Errorf("without IPv6: %+v", got)
	}
	for name, n := range map[string]Network{"no bridge": {Bridge: "br2", Gateway: n.Gateway, IPv4: n.IPv4}, "not known": {Bridge: "lo", IPv4: n.IPv4}} {
		if got := returns(n, links); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRoutesTo(t *testing.T) {
	cfg := config.Default()
	cfg.Server.Listen6 = config.Listen6{Addresses: []netip.Addr{addr("fe80::1%br0"), addr("fd00::1")}}
	routes := routesTo(cfg)
	if len(routes) != 2 || routes["fd00::1"].To != addr("fd00::1") || routes["169.254.169.254"].Link == "" {
		t.Errorf("%+v", routes)
	}
	cfg.Server.ListenAddress = netip.IPv4Unspecified()
	if routes := routesTo(cfg); len(routes) != 1 {
		t.Errorf("%+v", routes)
	}
	if got := (&Facts{Config: cfg}).MetadataAddresses(); len(got) != 3 {
		t.Errorf("%v", got)
	}
}

func TestPID(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"good": " 77\n", "bad": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name+".pid"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"good": 77, "bad": 0, "none": 0} {
		if got := readPID(dir, name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestServer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	if s := readServer(t.Context(), &server{err: errStopped}, socket); s.Running() || !errors.Is(s.SocketErr, fs.ErrNotExist) || s.Dnsmasq != nil {
		t.Errorf("stopped: %+v", s)
	}
	self := os.Getpid()
	running := &server{status: api.Status{PID: self, Networks: []api.Network{
		{Name: "a", Dnsmasq: &api.Dnsmasq{PID: self}}, {Name: "b", Dnsmasq: &api.Dnsmasq{}}, {Name: "c"}, {Name: "e", Dnsmasq: &api.Dnsmasq{PID: 1 << 30}}, {Name: "d", Dnsmasq: &api.Dnsmasq{PID: 1 << 30}}}},
		refusals: []api.Refusal{{Name: "web1"}}}
	s := readServer(t.Context(), running, socket)
	own, err := credentialsOf(self)
	if err != nil || own.UID != uint32(os.Geteuid()) || own.GID != uint32(os.Getegid()) || own.User != userName(own.UID) {
		t.Fatalf("%+v, %v", own, err)
	}
	if !s.Running() || !reflect.DeepEqual(s.Process, own) || s.ProcessErr != nil || !reflect.DeepEqual(s.Dnsmasq, map[string]Credentials{"a": own}) {
		t.Errorf("running: %+v", s)
	}
	if len(s.Refusals) != 1 || s.RefusalsErr != nil || s.SocketErr != nil {
		t.Errorf("running: %+v", s)
	}
	running.status.PID = 1 << 30
	if s := readServer(t.Context(), running, socket); s.ProcessErr == nil {
		t.Error("a process that has ended has a user")
	}
}

// A socket's file may have a process that listens, or none any more.
func TestConnect(t *testing.T) {
	fake := libvirttest.New(t)
	if err := connect(fake.Socket); err != nil {
		t.Error(err)
	}
	dead := filepath.Join(t.TempDir(), "d")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: dead}); err != nil {
		t.Fatal(err)
	}
	syscall.Close(fd)
	if err := connect(dead); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a socket without a process: %v", err)
	}
}

// No descriptor stays open, whether a process listens or not.
func TestConnectCloses(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	fdtest.NoneLeft(t, func() {
		_ = connect(socket) // the kernel connects although the process accepts no connection
		_ = connect(socket + "2")
	})
}

// The server is asked only of the domains that an image may not come up on.
func TestFetched(t *testing.T) {
	domain := func(uuid, smbios, model string) Domain {
		d, err := ParseDomain("<domain><uuid>" + uuid + "</uuid><os><smbios mode='sysinfo'/></os><sysinfo type='smbios'><system><entry name='product'>" + smbios +
			"</entry></system></sysinfo><devices><interface><model type='" + model + "'/></interface></devices></domain>")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	of := func(name string, status int) api.Requests {
		return api.Requests{Kinds: []api.RequestKind{{Name: "other", Status: http.StatusOK}, {Name: name, Status: status}}}
	}
	const metadata, userdata = "ec2 metadata", "user-data"
	s := &server{requests: map[string]api.Requests{"metadata": of(metadata, 200), "userdata": of(userdata, 200), "denied": of(metadata, 401), "nothing": {}, "fine": of(metadata, 200)}}
	domains := []Domain{domain("metadata", "x", "virtio"), domain("userdata", "x", "virtio"), domain("denied", "x", "virtio"), domain("nothing", "x", "virtio"),
		domain("unknown", "x", "virtio"), domain("fine", "OpenStack Nova", "virtio"), domain("metadata", "OpenStack Nova", "e1000")}
	noteFetched(t.Context(), s, Server{}, domains)
	var got []bool
	for _, d := range domains {
		got = append(got, d.Fetched)
	}
	if want := []bool{true, true, false, false, false, false, true}; !slices.Equal(got, want) {
		t.Errorf("fetched: %v, want %v", got, want)
	}
	if slices.Contains(s.asked, "fine") {
		t.Errorf("asked of %q", s.asked)
	}
	s.asked = nil
	noteFetched(t.Context(), s, Server{Err: errStopped}, domains)
	if s.asked != nil {
		t.Errorf("a server that does not run was asked of %q", s.asked)
	}
}

func TestAccount(t *testing.T) {
	self, err := account.Of(uint32(os.Geteuid()))
	if err != nil {
		t.Fatal(err)
	}
	stopped := Server{Err: errStopped}
	if a := readAccount(stopped, system.Unit{}); a.Err != nil || a.Account != self || !slices.Equal(a.Groups, a.Member) {
		t.Errorf("without a unit: %+v", a)
	}
	if a := readAccount(stopped, system.Unit{User: "root"}); a.Err != nil || a.Name != "root" || a.UID != 0 || !slices.Contains(a.Member, 0) {
		t.Errorf("by the unit: %+v", a)
	}
	if a := readAccount(stopped, system.Unit{User: "no such user"}); a.Err == nil || a.Member != nil {
		t.Errorf("a user that does not exist: %+v", a)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	running := readAccount(Server{Status: api.Status{PID: os.Getpid()}}, system.Unit{User: "no such user"})
	if running.Err != nil || running.Account != self {
		t.Errorf("running: %+v", running)
	}
	for _, id := range groups {
		if !slices.Contains(running.Groups, uint32(id)) {
			t.Errorf("the groups are %v, want %v", running.Groups, groups)
		}
	}
	if a := readAccount(Server{Status: api.Status{PID: 1 << 30}}, system.Unit{User: "root"}); a.Name != "root" || a.Groups != nil {
		t.Errorf("a server that has just ended: %+v", a)
	}
	if got := memberships("no such user"); got != nil {
		t.Errorf("%v", got)
	}
	if got := groupsIn("Name:\tx\nGid:\t1\nGroups:\t992 4294967 \n"); !slices.Equal(got, []uint32{992, 4294967}) {
		t.Errorf("the groups of a process are %v", got)
	}
	if got := groupsIn("Name:\tx\n"); got != nil {
		t.Errorf("%v", got)
	}
	if got := groupIDs([]string{"7", "x", "4294967296", "8"}); !slices.Equal(got, []uint32{7, 8}) {
		t.Errorf("%v", got)
	}
}

func TestParseCredentials(t *testing.T) {
	const status = "Name:\tdnsmasq\nUid:\t991\t4294967\t991\t991\nGid:\t990\t992\t992\t992\nFDSize:\t64\nGroups:\t992 4294967 \nNStgid:\t1\n"
	got, err := parseCredentials(status)
	if want := (Credentials{4294967, 992, "4294967", []string{"4294967"}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	const four = "Uid:\t991\t992\t991\t991\nGid:\t981\t982\t981\t981\nGroups:\t4294961 4294962 4294963 4294964\n"
	if got, err := parseCredentials(four); err != nil || got.UID != 992 || got.GID != 982 || len(got.Groups) != 4 {
		t.Errorf("with four groups, and other effective IDs: %+v, %v", got, err)
	}
	if got, err := parseCredentials("Uid:\t1\nGid:\t1\n"); err != nil || !reflect.DeepEqual(got, Credentials{}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"Uid:\tx\tx\tx\tx\n", "Uid:\t0\t0\t0\t0\nGid:\tx\tx\tx\tx\nGroups:\t1\n"} {
		if _, err := parseCredentials(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
	if userName(0) != "root" || groupName(0) != "root" || groupName(4294967) != "4294967" {
		t.Error("root is not root")
	}
}

func TestFiles(t *testing.T) {
	file, dir := configure(t, "default_template = DIR/template")
	write := func(name string, mode fs.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("db", 0o640)
	write("userdata/web1", 0o600)
	write("userdata/.hidden", 0o600)
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	other := Account{Account: account.Account{Name: "other", UID: 4294967, GID: 4294967}}
	f := readFiles(file, cfg, other)
	want := map[string]fs.FileMode{dir: 7, dir + "/db": 6, cfg.Server.Identity: 4, dir + "/base": 7, dir + "/run": 7, dir + "/userdata": 5, dir + "/template": 4, file: 4}
	got := map[string]fs.FileMode{}
	for _, used := range f.Used {
		got[used.Path] = used.Need
		if used.Parent.Path != filepath.Dir(used.Path) {
			t.Errorf("%s is in %s", used.Path, used.Parent.Path)
		}
	}
	for path, need := range want {
		if path != "" && got[path] != need {
			t.Errorf("%s: needs %o, want %o", path, got[path], need)
		}
	}
	if len(f.Unreadable) != 1 || f.Unreadable[0].Path != dir+"/userdata/web1" || f.Unreadable[0].Need != 4 {
		t.Errorf("unreadable: %+v", f.Unreadable)
	}
	if len(f.Secret) != 2 || f.Secret[0].Path != dir+"/db" || f.Secret[1].Path != cfg.Server.Identity {
		t.Errorf("secret: %+v", f.Secret)
	}
	db := f.Secret[0]
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	if want := (File{Path: dir + "/db", Mode: 0o640, UID: uid, GID: gid, Owner: userName(uid), Group: groupName(gid)}); db != want {
		t.Errorf("%+v, want %+v", db, want)
	}
	if got := db.Rights(); got != "owned by "+userName(uid)+" with mode -rw-r-----" {
		t.Errorf("the rights are %q", got)
	}
	cfg.Server.DefaultTemplate = ""
	if without := readFiles(file, cfg, other); len(without.Used) != len(f.Used)-1 {
		t.Errorf("without a template: %+v", without.Used)
	}
	other.Err = errors.New("unknown")
	if f := readFiles(file, cfg, other); f.Unreadable != nil {
		t.Errorf("unreadable for an account that is not known: %+v", f.Unreadable)
	}
	if f := statFile(filepath.Join(dir, "none")); !errors.Is(f.Err, fs.ErrNotExist) || f.Path == "" {
		t.Errorf("%+v", f)
	}
	if err := os.Chmod(dir+"/userdata", 0o700); err != nil {
		t.Fatal(err)
	}
	other.Err = nil
	for _, n := range readFiles(file, cfg, other).Unreadable {
		if n.Path == dir+"/userdata" {
			t.Error("the directory itself is listed twice")
		}
	}
}

func TestHook(t *testing.T) {
	const ours, other = "etc/libvirt/hooks/qemu.d/mdserver", "etc/libvirt/hooks/qemu.d/another"
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	file := func(text string, mode fs.FileMode) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(text), Mode: mode, ModTime: at}
	}
	const calls, curl = "#!/bin/sh\nexec mdserver hook\n", "curl http://x/instance-upload\n"
	daemon := kernel.Process{PID: 10, Name: "libvirtd", Service: "libvirtd.service"}
	stat := file("10 (libvirtd) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 0\n", 0o444)
	for name, test := range map[string]struct {
		root fstest.MapFS
		want Hook
	}{
		"none":               {fstest.MapFS{}, Hook{}},
		"another's":          {fstest.MapFS{other: file("exit 0\n", 0o755)}, Hook{}},
		"ours":               {fstest.MapFS{other: file("exit 0\n", 0o755), ours: file(calls, 0o755)}, Hook{Path: "/" + ours, Executable: true, Oldest: at}},
		"the Python one":     {fstest.MapFS{hooks.File: file(curl, 0o755)}, Hook{Path: "/" + hooks.File, Executable: true, Oldest: at}},
		"ours, of today":     {fstest.MapFS{ours: file("case \"$2 $3\" in \"release end\") mdserver hook ;; esac\n", 0o755)}, Hook{Path: "/" + ours, Executable: true, Stops: true, Oldest: at}},
		"ours by its group":  {fstest.MapFS{ours: file(calls, 0o610)}, Hook{Path: "/" + ours, Executable: true, Oldest: at}},
		"ours by others":     {fstest.MapFS{ours: file(calls, 0o601)}, Hook{Path: "/" + ours, Executable: true, Oldest: at}},
		"ours, not runnable": {fstest.MapFS{ours: file(calls, 0o644)}, Hook{Path: "/" + ours}},
	} {
		got := newReader(test.root, noPrograms).hook(t.Context(), kernel.Process{})
		if got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	root := fstest.MapFS{ours: file(calls, 0o755), "proc/10/stat": stat, "run/systemd/system/x": file("", 0)}
	r := newReader(root, noPrograms)
	got := r.hook(t.Context(), daemon)
	started, err := r.kernel.Started(10)
	if err != nil || got.Since.Sub(started).Abs() > time.Minute || got.SinceErr != nil {
		t.Errorf("started %v, want %v (%v)", got.Since, started, err)
	}
	reloaded := time.Now().Add(time.Hour).Truncate(time.Second)
	r.system.Run = func(_ context.Context, _ string, args ...string) (string, error) {
		if args[1] == "--property=LoadState" {
			return "loaded\n", nil
		}
		if args[1] != "--property=StateChangeTimestamp" || args[3] != "libvirtd.service" {
			t.Errorf("asked for %q", args)
		}
		return reloaded.Format("Mon 2006-01-02 15:04:05 MST") + "\n", nil
	}
	if got := r.hook(t.Context(), daemon); !got.Since.Equal(reloaded.Add(time.Second)) {
		t.Errorf("reloaded %v, want the end of %v", got.Since, reloaded)
	}
	reloaded = started.Add(-time.Hour)
	if got := r.hook(t.Context(), daemon); got.Since.Sub(started).Abs() > time.Minute {
		t.Errorf("a reload before the start: %v", got.Since)
	}
	ended := daemon
	ended.PID = 11
	if got := r.hook(t.Context(), ended); got.SinceErr == nil {
		t.Error("a daemon of systemd that has ended has a start")
	}
	daemon.Service = ""
	if got := r.hook(t.Context(), daemon); got.Since.Sub(started).Abs() > time.Minute {
		t.Errorf("without a unit: %v", got.Since)
	}
	daemon.PID = 11
	if got := r.hook(t.Context(), daemon); got.SinceErr == nil {
		t.Error("a daemon that has ended has a start")
	}
}

// deniedFS has files that may not be seen.
type deniedFS struct{}

func (deniedFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

func TestHookDenied(t *testing.T) {
	if got := newReader(deniedFS{}, noPrograms).hook(t.Context(), kernel.Process{}); got != (Hook{Denied: true}) {
		t.Errorf("%+v", got)
	}
}

func TestPolkit(t *testing.T) {
	const rules, settings = "usr/share/polkit-1/rules.d/60-libvirt.rules", "etc/libvirt/libvirtd.conf"
	for name, test := range map[string]struct {
		files map[string]string
		asks  bool
	}{
		"asks":             {map[string]string{rules: "", settings: "#auth_unix_rw = \"none\"\n"}, true},
		"turned off":       {map[string]string{rules: "", settings: "a = 1\n auth_unix_rw = \"none\"\n"}, false},
		"no rules":         {map[string]string{settings: ""}, false},
		"settings unknown": {map[string]string{rules: ""}, false},
	} {
		got := testReader(test.files).polkit()
		if _, err := user.LookupGroup(polkitGroup); got.On != (test.asks && err == nil) {
			t.Errorf("%s: %+v", name, got)
		}
		if got.On && (got.Group != polkitGroup || got.GID == 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What libvirt lists, and what is found beside it.
func TestLibvirt(t *testing.T) {
	fake := libvirttest.New(t)
	id := uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")
	fake.Define(libvirttest.Domain{UUID: id, Name: "web1", XML: "<domain><name>web1</name><uuid>" + id.String() + "</uuid><devices>" +
		"<interface type='network'><mac address='52:54:00:00:00:01'/><source network='mds' bridge='br-mds'/><target dev='vnet0'/><model type='virtio'/></interface>" +
		"<disk type='file' device='disk'><target dev='vda' bus='virtio'/></disk></devices></domain>"})
	fake.SetBridge("mds", "br-mds")
	fake.SetNetwork(libvirttest.Network{Name: "direct"})
	r := testReader(map[string]string{"usr/sbin/virtqemud": "", "usr/share/libvirt/networks/default.xml": ""})
	v := r.libvirt(t.Context(), config.LibvirtURI{Socket: fake.Socket})
	if v.Err != nil || v.Socket != fake.Socket || v.listener != os.Getpid() {
		t.Fatalf("%+v", v)
	}
	if want := []LibvirtNetwork{{"direct", "", false}, {"mds", "br-mds", true}}; !slices.Equal(v.Networks, want) {
		t.Errorf("the networks are %+v, want %+v", v.Networks, want)
	}
	d := v.Domains[0]
	if len(v.Domains) != 1 || d.Name != "web1" || d.UUID != id.String() || len(d.Interfaces) != 1 || len(d.Disks) != 1 || d.Disks[0].Target != "vda" {
		t.Errorf("the domains are %+v", v.Domains)
	}
	if nic := d.Interfaces[0]; nic.Type != "network" || nic.Source.Network != "mds" || nic.Source.Bridge != "br-mds" || nic.Target.Dev != "vnet0" || nic.Model.Type != "virtio" {
		t.Errorf("the interface is %+v", nic)
	}
	if v.SocketFile.Err != nil || v.SocketFile.Mode&fs.ModeSocket == 0 || v.DaemonUnit != "virtqemud.service" || !v.StockNetwork || v.SampleNetwork || v.Polkit.On {
		t.Errorf("%+v", v)
	}
	if v := r.libvirt(t.Context(), config.LibvirtURI{Off: true}); !errors.Is(v.Err, ErrOff) || v.Socket != "" || v.SocketFile != (File{}) {
		t.Errorf("off: %+v", v)
	}
	sample := testReader(map[string]string{"usr/sbin/libvirtd": "", "usr/sbin/virtqemud": "", "usr/local/share/mdserver/mds-network.xml": ""})
	if v := sample.libvirt(t.Context(), config.LibvirtURI{Off: true}); !v.SampleNetwork || v.StockNetwork || v.DaemonUnit != "libvirtd.service" {
		t.Errorf("with the sample: %+v", v)
	}
	if got := testReader(nil).daemonUnit(); got != "libvirtd.service" {
		t.Errorf("without a daemon: %s", got)
	}
}

// libvirt hears of the end of each connection. It logs an error otherwise.
func TestLeaveOfLibvirt(t *testing.T) {
	fake := libvirttest.New(t)
	testReader(nil).libvirt(t.Context(), config.LibvirtURI{Socket: fake.Socket})
	last, err := connection.Dial(t.Context(), connection.Endpoint{Socket: fake.Socket}, connection.QEMU)
	if err != nil {
		t.Fatal(err)
	}
	last.Close() // it was accepted after all others
	if n := fake.Lost(); n != 0 {
		t.Errorf("%d connections ended without a word", n)
	}
}

// A session has domains of its own, and the networks of the system.
func TestLibvirtSession(t *testing.T) {
	fake := libvirttest.New(t)
	runtime := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	if err := os.Mkdir(filepath.Join(runtime, "libvirt"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(fake.Socket, filepath.Join(runtime, "libvirt/virtqemud-sock")); err != nil {
		t.Fatal(err)
	}
	askLibvirt(t.Context(), config.LibvirtURI{Session: true})
	if domains, networks := fake.Calls(libvirttest.ListAllDomains), fake.Calls(libvirttest.ListAllNetworks); domains != 1 || networks != 0 {
		t.Errorf("the session was asked %d times for domains and %d times for networks", domains, networks)
	}
}

// A failure of each call is why libvirt is not known; a domain that has gone
// meanwhile is none.
func TestLibvirtFails(t *testing.T) {
	id := uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")
	for name, test := range map[string]struct {
		change func(*libvirttest.Server)
		fails  bool
	}{
		"domains":        {func(s *libvirttest.Server) { s.Refuse(libvirttest.ListAllDomains, golibvirt.ErrInternalError) }, true},
		"a definition":   {func(s *libvirttest.Server) { s.Refuse(libvirttest.DomainGetXML, golibvirt.ErrInternalError) }, true},
		"a gone domain":  {func(s *libvirttest.Server) { s.Refuse(libvirttest.DomainGetXML, golibvirt.ErrNoDomain) }, false},
		"no definition":  {func(s *libvirttest.Server) { s.Define(libvirttest.Domain{UUID: id, XML: "<"}) }, true},
		"networks":       {func(s *libvirttest.Server) { s.Refuse(libvirttest.ListAllNetworks, golibvirt.ErrInternalError) }, true},
		"active":         {func(s *libvirttest.Server) { s.Refuse(libvirttest.NetworkActive, golibvirt.ErrInternalError) }, true},
		"a gone network": {func(s *libvirttest.Server) { s.Refuse(libvirttest.NetworkActive, golibvirt.ErrNoNetwork) }, false},
		"nothing":        {func(*libvirttest.Server) {}, false},
	} {
		fake := libvirttest.New(t)
		fake.Define(libvirttest.Domain{UUID: id, Name: "web1", XML: "<domain/>"})
		fake.SetBridge("mds", "br-mds")
		test.change(fake)
		v := askLibvirt(t.Context(), config.LibvirtURI{Socket: fake.Socket})
		if (v.Err != nil) != test.fails {
			t.Errorf("%s: %v", name, v.Err)
		}
		if strings.HasPrefix(name, "a gone") && len(v.Domains)+len(v.Networks) != 1 {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// The daemon is the process behind the socket, or else one of this host's.
func TestDaemon(t *testing.T) {
	const self = "proc/8/"
	to := func(target string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
	}
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	root := fstest.MapFS{"proc/self/ns/net": to("net:[1]"), "proc/10/ns/net": to("net:[1]"), "proc/10/comm": file("virtqemud\n"), self + "comm": file("libvirtd\n"),
		"proc/9/ns/net": to("net:[1]"), "proc/9/comm": file("systemd\n")}
	if got := newReader(root, noPrograms).daemon(8); got.PID != 8 || got.Name != "libvirtd" {
		t.Errorf("behind the socket: %v", got)
	}
	root[self+"comm"] = file("systemd\n")
	if got := newReader(root, noPrograms).daemon(8); got.PID != 10 || got.Name != "virtqemud" {
		t.Errorf("behind systemd: %v", got)
	}
	if got := newReader(root, noPrograms).daemon(0); got.PID != 10 {
		t.Errorf("without a socket: %v", got)
	}
	delete(root, "proc/10/comm")
	if got := newReader(root, noPrograms).daemon(0); got.PID != 0 {
		t.Errorf("none: %v", got)
	}
}

// The network that creates a bridge has its name, or else its bridge.
func TestOwner(t *testing.T) {
	v := Libvirt{Networks: []LibvirtNetwork{{Name: "a", Bridge: "br1"}, {Name: "b", Bridge: "br2"}, {Name: "c"}}}
	for name, test := range map[string]struct {
		n    Network
		want string
	}{
		"by its name":   {Network{Name: "b", Bridge: "br1"}, "b"},
		"by its bridge": {Network{Name: "x", Bridge: "br1"}, "a"},
		"without any":   {Network{Name: "x"}, ""},
		"another":       {Network{Name: "x", Bridge: "br9"}, ""},
	} {
		got, found := v.Owner(test.n)
		if got.Name != test.want || found != (test.want != "") {
			t.Errorf("%s: %+v, %v", name, got, found)
		}
	}
	if got, found := v.Network("b"); got.Bridge != "br2" || !found {
		t.Errorf("%+v, %v", got, found)
	}
}

func TestParseDomain(t *testing.T) {
	if _, err := ParseDomain("<domain>"); err == nil || !strings.HasPrefix(err.Error(), "libvirt's domain definition: ") {
		t.Errorf("%v", err)
	}
}

// The guests are the server's, or those of its database.
func TestDatabase(t *testing.T) {
	ctx := t.Context()
	stopped := Server{Err: errStopped}
	path := filepath.Join(t.TempDir(), "db")
	running := &server{instances: []instance.Instance{{Name: "web1"}, {Name: "web2"}}}
	d, guests := readDatabase(ctx, path, running, Server{})
	if len(guests.List) != 2 || guests.Err != nil || d.Err != nil || d.Exists {
		t.Errorf("running: %+v, %+v", d, guests)
	}
	d, guests = readDatabase(ctx, path, running, stopped)
	if !errors.Is(d.Err, fs.ErrNotExist) || guests.Err != nil || guests.List != nil || d.Exists {
		t.Errorf("none: %+v, %+v", d, guests)
	}
	if err := os.WriteFile(path, []byte("no database at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, guests = readDatabase(ctx, path, running, stopped)
	if d.Err == nil || guests.Err == nil || !d.Exists || d.Snapshot != "" {
		t.Errorf("not usable: %+v, %+v", d, guests)
	}
	if err := backup.Save(path, backup.New("kvm1", "1.2.3", instance.Table{}, nil, ""), 3); err != nil {
		t.Fatal(err)
	}
	d, _ = readDatabase(ctx, path, running, stopped)
	if filepath.Dir(d.Snapshot) != backup.SnapshotDir(path) {
		t.Errorf("with a snapshot: %+v", d)
	}
	if err := os.WriteFile(path+".damaged-1.json", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, _ := readDatabase(ctx, path, running, Server{}); len(d.Asides) != 1 || d.WithheldErr == nil {
		t.Errorf("set aside: %+v", d)
	}
}

// A database that no server has open is read; while a server has, it is in use.
func TestDatabaseWithGuests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	store, err := boltstore.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	guests := []instance.Instance{{ID: "i-1", Name: "web1", UUID: uuid.New(), Hostname: "web1"}, {ID: "i-2", Name: "web2", UUID: uuid.New(), Hostname: "web2"}}
	if err := store.Apply(t.Context(), []instance.Change{{Put: guests}}); err != nil {
		t.Fatal(err)
	}
	stopped := Server{Err: errStopped}
	if d, _ := readDatabase(t.Context(), path, nil, stopped); !errors.Is(d.Err, boltstore.ErrInUse) || !d.Exists {
		t.Errorf("in use: %+v", d)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	d, found := readDatabase(t.Context(), path, nil, stopped)
	if d.Err != nil || d.Guests != 2 || len(found.List) != 2 || found.Err != nil || len(d.Damage) != 0 {
		t.Errorf("%+v, %+v", d, found)
	}
	again, err := boltstore.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("the database that was read is in a server's way: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	if s := readStore(t.Context(), config.Store{CAFile: "/none"}, etcd.Inspect); s.Err != nil || s.Found.Members != nil {
		t.Errorf("without etcd: %+v", s)
	}
	if s := readStore(t.Context(), config.Store{Backend: config.BackendEtcd, Endpoints: []string{"https://127.0.0.1:1"}, CAFile: "/none"}, etcd.Inspect); s.Err == nil {
		t.Errorf("files that are not there: %+v", s)
	}
}

func TestDnsmasq(t *testing.T) {
	r := testReader(nil)
	if d := r.dnsmasq(t.Context(), "/none", []Network{{Run: "off"}}); d.Missing != nil {
		t.Errorf("asked for, and not needed: %+v", d)
	}
	if d := r.dnsmasq(t.Context(), "/none", []Network{{Run: "off"}, {Run: "child"}}); d.Missing == nil {
		t.Errorf("not asked for: %+v", d)
	}
}

// ownedFile is the stat of a file that another user has.
type ownedFile struct {
	fs.FileInfo
	mode     fs.FileMode
	uid, gid uint32
}

func (f ownedFile) Mode() fs.FileMode { return f.mode }
func (f ownedFile) Sys() any          { return &syscall.Stat_t{Uid: f.uid, Gid: f.gid} }

func TestOwnersOfAFile(t *testing.T) {
	const nobody, noGroup = 4_000_000_001, 4_000_000_002 // without names
	got := fileOf("/x", ownedFile{mode: 0o640, uid: nobody, gid: noGroup})
	want := File{Path: "/x", Mode: 0o640, UID: nobody, GID: noGroup, Owner: "4000000001", Group: "4000000002"}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
