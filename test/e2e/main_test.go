//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdserver/test/lab"
)

const testdata = "../testdata"

// suite is what all tests share: set once before the first of them.
var suite struct {
	ctx    context.Context // ends on SIGINT, so that every test fails and cleans up
	binary string
}

func TestMain(m *testing.M) {
	if os.Getenv("MDSERVER_SKIP_E2E") == "1" {
		fmt.Println("end-to-end tests skipped: MDSERVER_SKIP_E2E=1")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := lab.Check("unshare", "ping", "mmdebstrap", "systemd-analyze", "nsenter", "nft", "iptables", "libvirtd", "virsh", "qemu-system-x86_64", "qemu-img", "mke2fs", "ssh", "ec2-metadata", "promtool", "ansible-playbook", ignitionBinary); err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests cannot run:", err)
		fmt.Fprintln(os.Stderr, "MDSERVER_SKIP_E2E=1 skips them")
		return 1
	}
	dir, err := os.MkdirTemp("", "mdserver-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	suite.ctx = ctx
	if suite.binary, err = lab.Binary(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Most tests wait for emulated machines and other programs, rather than compute.
	if err := flag.Set("test.parallel", fmt.Sprint(runtime.NumCPU()+1)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// newLab makes a lab that is closed at the end of the test. A failed test
// shows the logs of everything that ran in it.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	l, err := lab.New(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.Logs())
		}
		if err := l.Close(); err != nil {
			t.Error("closing the lab:", err)
		}
	})
	return l
}

// startServer runs mdserver in the lab with the templates of testdata.
func startServer(t *testing.T, l *lab.Lab, config lab.Config) *lab.Server {
	t.Helper()
	if err := os.CopyFS(l.Path("userdata"), os.DirFS(filepath.Join(testdata, "userdata"))); err != nil {
		t.Fatal(err)
	}
	s, err := l.NewServer(suite.binary, config)
	if err != nil {
		t.Fatal(err)
	}
	start(t, s)
	return s
}

func start(t *testing.T, s *lab.Server) {
	t.Helper()
	if err := s.Start(suite.ctx); err != nil {
		t.Fatal(err)
	}
}

// shown is what `mdserver instance show NAME --json` tells of a guest.
type shown struct {
	InstanceID string `json:"instance_id"`
	Name       string
	Hostname   string
	UUID       string
	MAC        string
	IPv4, IPv6 netip.Addr
}

// show asks the server what it knows of a guest.
func show(t *testing.T, s *lab.Server, name string) shown {
	t.Helper()
	var guest shown
	if err := json.Unmarshal([]byte(command(t, s, "instance", "show", name, "--json")), &guest); err != nil {
		t.Fatalf("instance show %s --json: %v", name, err)
	}
	return guest
}

// list asks the server for all guests, by name.
func list(t *testing.T, s *lab.Server) map[string]shown {
	t.Helper()
	var all []shown
	if err := json.Unmarshal([]byte(command(t, s, "instance", "ls", "--json")), &all); err != nil {
		t.Fatalf("instance ls --json: %v", err)
	}
	byName := map[string]shown{}
	for _, g := range all {
		byName[g.Name] = g
	}
	return byName
}

// command runs an mdserver command that must succeed.
func command(t *testing.T, s *lab.Server, args ...string) string {
	t.Helper()
	out, err := s.Run(suite.ctx, nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func domainFile(name string) string { return filepath.Join(testdata, "domains", name+".xml") }

func domainXML(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(domainFile(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// register uploads the definition of a guest and returns what became of it.
func register(t *testing.T, s *lab.Server, name string) shown {
	t.Helper()
	uploadXML(t, s, domainXML(t, name))
	return show(t, s, name)
}

func uploadXML(t *testing.T, s *lab.Server, xml string) {
	t.Helper()
	status, body, err := s.Upload(suite.ctx, xml)
	if err != nil {
		t.Fatal(err)
	}
	if status != 200 {
		t.Fatalf("upload: status %d: %s", status, body)
	}
}

// boot makes the guest's namespace and has its DHCP client get an address.
func boot(t *testing.T, l *lab.Lab, guest shown) (*lab.Guest, lab.Lease) {
	t.Helper()
	g, err := l.AddGuest(suite.ctx, guest.Name, guest.MAC)
	if err != nil {
		t.Fatal(err)
	}
	return g, dhcp(t, g)
}

func dhcp(t *testing.T, g *lab.Guest) lab.Lease {
	t.Helper()
	lease, err := g.StartDHCP(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// get fetches a path of the metadata server with curl in the guest.
func get(t *testing.T, g *lab.Guest, path string) string {
	t.Helper()
	body, err := g.Get(suite.ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// equal checks one thing that a test found.
func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}

// contains checks that a text holds every one of these.
func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", what, want, text)
		}
	}
}

// eventually waits for a condition with a generous deadline.
func eventually(t *testing.T, what string, f func(context.Context) error) {
	t.Helper()
	if err := lab.Poll(suite.ctx, 20*time.Second, f); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
