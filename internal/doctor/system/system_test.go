package system

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"mdserver/internal/health"
)

// programs answers commands as a host with these programs would. A command that
// is not in the table is of a program that the host does not have.
type programs map[string]string

// fails is the answer of a program that fails.
const fails = "FAILS"

func (p programs) run(_ context.Context, name string, args ...string) (string, error) {
	line := strings.Join(append([]string{name}, args...), " ")
	switch answer, known := p[line]; {
	case !known:
		return "", fmt.Errorf("%s: %w: ", name, exec.ErrNotFound)
	case answer == fails:
		return "", errors.New(name + " failed")
	default:
		return answer, nil
	}
}

func files(texts map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for path, text := range texts {
		root[path] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

// denied has one file that may not be read.
type denied struct {
	fs.FS
	path string
}

func (d denied) Open(name string) (fs.File, error) {
	if name == d.path {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.FS.Open(name)
}

func TestRun(t *testing.T) {
	if out, err := Run(t.Context(), "echo", "a b"); out != "a b\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	out, err := Run(t.Context(), "sh", "-c", "echo out; echo ' why ' >&2; exit 3")
	if out != "" || err == nil || err.Error() != "sh: exit status 3: why" {
		t.Errorf("%v", err)
	}
	if _, err := Run(t.Context(), "no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestUnit(t *testing.T) {
	systemd := files(map[string]string{"run/systemd/system/x": ""})
	const show = "systemctl show --property=%s --value mdserver.service"
	answers := func(load, state, user string) programs {
		return programs{fmt.Sprintf(show, "LoadState"): load, fmt.Sprintf(show, "ActiveState"): state, fmt.Sprintf(show, "User"): user}
	}
	for name, test := range map[string]struct {
		root    fs.FS
		answers programs
		want    Unit
	}{
		"runs":                   {systemd, answers("loaded\n", "active\n", "mdserver\n"), Unit{"active", "mdserver"}},
		"runs as root":           {systemd, answers("loaded\n", "active\n", "\n"), Unit{"active", ""}},
		"is not there":           {systemd, answers("not-found\n", "inactive\n", "\n"), Unit{}},
		"is masked":              {systemd, answers("masked\n", "inactive\n", "\n"), Unit{}},
		"systemd does not run":   {files(nil), answers("loaded\n", "active\n", "mdserver\n"), Unit{}},
		"no answer":              {systemd, answers(fails, "active\n", "mdserver\n"), Unit{}},
		"no answer on its state": {systemd, answers("loaded\n", fails, "mdserver\n"), Unit{"", "mdserver"}},
	} {
		if got := (Reader{test.root, test.answers.run}).Unit(t.Context(), "mdserver.service"); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestSELinux(t *testing.T) {
	for _, test := range []struct {
		mode, boolean string
		want          string
	}{
		{fails, "virt_hooks_unconfined --> off\n", "{false false <nil>}"},
		{"Permissive\n", "virt_hooks_unconfined --> off\n", "{false false <nil>}"},
		{"Enforcing\n", "virt_hooks_unconfined --> off\n", "{true false <nil>}"},
		{"Enforcing\n", "virt_hooks_unconfined --> on\n", "{true true <nil>}"},
		{"Enforcing\n", fails, "{true true getsebool failed}"},
	} {
		r := Reader{Run: programs{"getenforce": test.mode, "getsebool virt_hooks_unconfined": test.boolean}.run}
		if got := fmt.Sprint(r.SELinux(t.Context())); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestConfines(t *testing.T) {
	for loaded, want := range map[string]bool{
		"":                       false,
		"libvirtd (enforce)\n":   false,
		"dnsmasq (complain)\n":   false,
		"dnsmasq (unconfined)\n": false,
		"dnsmasq//libvirt_leaseshelper (enforce)\n": false,
		"libvirtd (enforce)\ndnsmasq (enforce)\n":   true,
		"/usr/sbin/dnsmasq (enforce)\n":             true,
		"/usr/{bin,sbin}/dnsmasq (enforce)\n":       true,
	} {
		if got := confines(loaded); got != want {
			t.Errorf("%q: %v, want %v", loaded, got, want)
		}
	}
}

func TestAppArmor(t *testing.T) {
	const loaded, profile, local = "sys/kernel/security/apparmor/profiles", "etc/apparmor.d/usr.sbin.dnsmasq", "etc/apparmor.d/local/usr.sbin.dnsmasq"
	enforced := files(map[string]string{loaded: "dnsmasq (enforce)\n", profile: "a", local: "b"})
	real := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	dirs := []string{real, "/no/such/directory"}
	for name, test := range map[string]struct {
		root fs.FS
		want AppArmor
	}{
		"enforced":          {enforced, AppArmor{Enforced: true, Rules: "a\nb\n", Dirs: dirs}},
		"without files":     {files(map[string]string{loaded: "dnsmasq (enforce)\n"}), AppArmor{Enforced: true, Rules: "\n\n", Dirs: dirs}},
		"not enforced":      {files(map[string]string{loaded: "dnsmasq (complain)\n", profile: "a"}), AppArmor{}},
		"no AppArmor":       {files(nil), AppArmor{}},
		"not to be seen":    {denied{enforced, loaded}, AppArmor{Err: fs.ErrPermission}},
		"rules not allowed": {denied{enforced, local}, AppArmor{Enforced: true, Err: fs.ErrPermission}},
	} {
		got := Reader{Root: test.root}.AppArmor(link, "/no/such/directory")
		if !errors.Is(got.Err, test.want.Err) || (got.Err == nil) != (test.want.Err == nil) {
			t.Errorf("%s: %v", name, got.Err)
		}
		got.Err, test.want.Err = nil, nil
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	if err := (Reader{Root: denied{enforced, local}}).AppArmor().Err; !strings.HasPrefix(err.Error(), "/etc/apparmor.d/local/usr.sbin.dnsmasq cannot be read: ") {
		t.Error(err)
	}
}

func TestFirewall(t *testing.T) {
	const nft, save4, save6 = "nft -j list ruleset", "iptables-save -t filter", "ip6tables-save -t filter"
	const chain = `{"nftables":[{"chain":{"family":"inet","table":"%s","name":"in","hook":"input","prio":0,"policy":"drop"}}]}`
	const drop = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"
	zones := func(of, all, first string) programs {
		return programs{nft: fmt.Sprintf(chain, "firewalld"), "firewall-cmd --get-zone-of-interface=br0": of,
			"firewall-cmd --get-zones": all, "firewall-cmd --get-default-zone": first}
	}
	in := func(z Zone) map[string]Zone { return map[string]Zone{"br0": z} }
	for name, test := range map[string]struct {
		answers programs
		want    string // the programs and families of the first chains
		blind   []string
		zones   map[string]Zone
	}{
		"no programs":          {programs{}, "", nil, nil},
		"all":                  {programs{nft: fmt.Sprintf(chain, "f"), save4: drop, save6: drop}, "nft/inet iptables/ip ip6tables/ip6", nil, nil},
		"some are not allowed": {programs{nft: fails, save4: drop}, "iptables/ip", []string{"rules not read (run as root): nft failed"}, nil},
		"some are not known": {programs{save4: "*filter\n:INPUT\n", save6: drop}, "ip6tables/ip6",
			[]string{`the rules that iptables-save prints: ":INPUT" names no policy`}, nil},
		"firewalld, in a zone":        {zones("public\n", "public libvirt\n", "public\n"), "nft/inet", nil, in(Zone{Name: "public"})},
		"firewalld, with libvirt":     {zones(fails, "public libvirt\n", "public\n"), "nft/inet", nil, in(Zone{"libvirt", true})},
		"firewalld, without libvirt":  {zones(fails, "libvirtd public\n", "public\n"), "nft/inet", nil, in(Zone{Name: "public"})},
		"firewalld, without anything": {zones(fails, fails, fails), "nft/inet", nil, in(Zone{})},
	} {
		got := Reader{Run: test.answers.run}.Firewall(t.Context(), []string{"br0"})
		var names []string
		for _, chains := range got.Rules {
			names = append(names, chains[0].Program()+"/"+chains[0].Family)
		}
		if strings.Join(names, " ") != test.want || !slices.Equal(got.Blind, test.blind) || !reflect.DeepEqual(got.Zones, test.zones) {
			t.Errorf("%s: %q, %q, %v", name, names, got.Blind, got.Zones)
		}
	}
}

func TestDnsmasq(t *testing.T) {
	program := filepath.Join(t.TempDir(), "dnsmasq")
	r := Reader{Run: programs{program + " --version": "Dnsmasq version 2.90\n"}.run}
	if d := r.Dnsmasq(t.Context(), program); !errors.Is(d.Missing, fs.ErrNotExist) || d.Version != "" {
		t.Errorf("%+v", d)
	}
	if err := os.WriteFile(program, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if d := r.Dnsmasq(t.Context(), program); d != (Dnsmasq{Version: "Dnsmasq version 2.90\n"}) {
		t.Errorf("%+v", d)
	}
	r.Run = programs{program + " --version": fails}.run
	if d := r.Dnsmasq(t.Context(), program); d.Missing != nil || d.Err == nil {
		t.Errorf("%+v", d)
	}
}

// What resolvectl of systemd 252 prints: a long list goes on in further lines.
func TestResolver(t *testing.T) {
	const servers = "Global:\nLink 2 (br-mds): 10.122.0.9 10.122.0.8\n        fd00::1 10.122.0.1\nLink 3 (eth0): 192.0.2.53\n"
	const domains = "Global: a.org\nLink 2 (br-mds): ~example.net\n"
	const show, unit = "systemctl show --property=LoadState --value systemd-resolved.service", "systemctl show --property=ActiveState --value systemd-resolved.service"
	systemd := files(map[string]string{"run/systemd/system/x": "", "run/systemd/resolve/x": ""}) // the latter is also left by one that has stopped
	asked := func(state, servers, domains string) programs {
		return programs{show: "loaded\n", unit: state + "\n", "resolvectl dns": servers, "resolvectl domain": domains}
	}
	lists := Resolver{Runs: true,
		Servers: map[string][]string{"Global": nil, "Link 2 (br-mds)": {"10.122.0.9", "10.122.0.8", "fd00::1", "10.122.0.1"}, "Link 3 (eth0)": {"192.0.2.53"}},
		Domains: map[string][]string{"Global": {"a.org"}, "Link 2 (br-mds)": {"~example.net"}}}
	for name, test := range map[string]struct {
		root    fs.FS
		answers programs
		want    Resolver
		fails   bool
	}{
		"no systemd":          {files(nil), asked("active", servers, domains), Resolver{}, false},
		"not installed":       {systemd, programs{show: "not-found\n", "resolvectl dns": servers, "resolvectl domain": domains}, Resolver{}, false},
		"stopped":             {systemd, asked("inactive", servers, domains), Resolver{}, false},
		"runs":                {systemd, asked("active", servers, domains), lists, false},
		"no answer":           {systemd, asked("active", fails, domains), Resolver{Runs: true}, true},
		"no answer on domain": {systemd, asked("active", servers, fails), Resolver{Runs: true}, true},
	} {
		got := Reader{test.root, test.answers.run}.Resolver(t.Context())
		if got.Runs != test.want.Runs || (got.Err != nil) != test.fails {
			t.Errorf("%s: %+v", name, got)
		}
		if !test.fails && !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestClock(t *testing.T) {
	synced, known := health.Synchronised()
	if got := ReadClock(); got != (Clock{Container: health.InContainer(), Known: known, Synchronised: synced}) {
		t.Errorf("%+v", got)
	}
}
