package ssh

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
)

var (
	key1 = api.SSHKey{Type: "ssh-ed25519", Key: "AAAA1"}
	key2 = api.SSHKey{Type: "ecdsa-sha2-nistp256", Key: "AAAA2"}
)

// sshGuest is one with two names and two addresses.
func sshGuest(change func(*api.SSHGuest)) api.SSHGuest {
	guest := api.SSHGuest{Name: "Web1", Hostname: "Web1", Names: []string{"Web1", "Web1.example.net"},
		Addresses: []netip.Addr{netip.MustParseAddr("10.122.0.7"), netip.MustParseAddr("fd00::7")}, User: "debian", Keys: []api.SSHKey{key1, key2}}
	if change != nil {
		change(&guest)
	}
	return guest
}

// connected is a command with the flags that name a server.
func connected(t *testing.T, flags ...string) *cobra.Command {
	t.Helper()
	t.Setenv(command.EnvSocket, "")
	t.Setenv(command.EnvConfig, "")
	cmd := &cobra.Command{}
	cmd.Flags().String("socket", "", "")
	cmd.Flags().String("config", "/etc/mdserver/mdserver.conf", "")
	if err := cmd.ParseFlags(flags); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestCutUser(t *testing.T) {
	for text, want := range map[string]struct {
		user, ref string
		given     bool
	}{
		"web1":           {"", "web1", false},
		"root@web1":      {"root", "web1", true},
		"r@example@web1": {"r@example", "web1", true},
		"@web1":          {"", "@web1", false},
		"r@web1":         {"r", "web1", true},
		"root@":          {"root", "", true},
	} {
		if user, ref, given := cutUser(text); user != want.user || ref != want.ref || given != want.given {
			t.Errorf("%s: %q, %q, %v, want %+v", text, user, ref, given, want)
		}
	}
}

// ssh is given the address, and knows the guest by its host name in lower case. The user
// and the keys are left to ssh where they are not known.
func TestSSHArguments(t *testing.T) {
	const known = "-o KnownHostsCommand=KNOWN -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes "
	for name, tt := range map[string]struct {
		change  func(*api.SSHGuest)
		further []string
		want    string
	}{
		"a guest":       {nil, nil, "-o HostKeyAlias=web1 -o User=debian " + known + "10.122.0.7"},
		"with more":     {nil, []string{"-L", "1:b:2", "uptime"}, "-o HostKeyAlias=web1 -o User=debian " + known + "10.122.0.7 -L 1:b:2 uptime"},
		"no user":       {func(g *api.SSHGuest) { g.User = "" }, nil, "-o HostKeyAlias=web1 " + known + "10.122.0.7"},
		"no keys":       {func(g *api.SSHGuest) { g.Keys = nil }, nil, "-o HostKeyAlias=web1 -o User=debian 10.122.0.7"},
		"by IPv6 first": {func(g *api.SSHGuest) { slices.Reverse(g.Addresses) }, nil, "-o HostKeyAlias=web1 -o User=debian " + known + "fd00::7"},
		"other names":   {func(g *api.SSHGuest) { g.Name, g.Hostname = "domain", "Host" }, nil, "-o HostKeyAlias=host -o User=debian " + known + "10.122.0.7"},
	} {
		cmd := connected(t)
		arguments, err := sshArguments(cmd, sshGuest(tt.change), tt.further)
		got := strings.ReplaceAll(strings.Join(arguments, " "), knownHostsCommandLine(cmd), "KNOWN")
		if got != tt.want || err != nil {
			t.Errorf("%s: ssh %s, %v, want %s", name, got, err, tt.want)
		}
	}
	nowhere := sshGuest(func(g *api.SSHGuest) { g.Addresses = nil })
	if _, err := sshArguments(connected(t), nowhere, nil); err == nil || err.Error() != `guest "Web1" has no address` {
		t.Errorf("without an address: %v", err)
	}
}

// ssh's KnownHostsCommand asks the server that the command asks, from any directory, and
// survives what ssh makes of its value.
func TestKnownHostsCommandLine(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	program := func(rest string) string { return programPath() + " " + rest + "known-hosts --ssh=%I %H" }
	for name, tt := range map[string]struct {
		flags       []string
		environment map[string]string
		want        string
	}{
		"the usual server":            {nil, nil, program("")},
		"a socket":                    {[]string{"--socket", "/run/a.sock"}, nil, program("--socket /run/a.sock ")},
		"a configuration":             {[]string{"--config", "/etc/a.conf"}, nil, program("--config /etc/a.conf ")},
		"both":                        {[]string{"--config", "/etc/a.conf", "--socket", "/run/a.sock"}, nil, program("--socket /run/a.sock ")},
		"of this directory":           {[]string{"--config", "a.conf"}, nil, program("--config " + filepath.Join(here, "a.conf") + " ")},
		"a socket of this directory":  {[]string{"--socket", "a.sock"}, nil, program("--socket " + filepath.Join(here, "a.sock") + " ")},
		"a socket's variable":         {nil, map[string]string{command.EnvSocket: "/run/b.sock"}, program("--socket /run/b.sock ")},
		"a configuration's variable":  {nil, map[string]string{command.EnvConfig: "/etc/b.conf"}, program("--config /etc/b.conf ")},
		"a space":                     {[]string{"--config", "/my files/a.conf"}, nil, program(`--config "/my files/a.conf" `)},
		"a quotation mark":            {[]string{"--config", `/a"b.conf`}, nil, program(`--config "/a\"b.conf" `)},
		"a backslash":                 {[]string{"--config", `/a\b.conf`}, nil, program(`--config "/a\\b.conf" `)},
		"an apostrophe":               {[]string{"--config", "/a'b.conf"}, nil, program(`--config "/a'b.conf" `)},
		"a number sign":               {[]string{"--config", "/a#b.conf"}, nil, program(`--config "/a#b.conf" `)},
		"a tab":                       {[]string{"--config", "/a\tb.conf"}, nil, program("--config \"/a\tb.conf\" ")},
		"a percent sign, as in ssh's": {[]string{"--config", "/a%hb.conf"}, nil, program("--config /a%%hb.conf ")},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := connected(t, tt.flags...)
			for key, value := range tt.environment {
				t.Setenv(key, value)
			}
			if got := knownHostsCommandLine(cmd); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	if !filepath.IsAbs(programPath()) {
		t.Errorf("ssh would not run %s", programPath())
	}
}

func TestPrintSSHConfig(t *testing.T) {
	cmd := connected(t)
	guests := []api.SSHGuest{sshGuest(nil), sshGuest(func(g *api.SSHGuest) { g.Name, g.Addresses = "new", nil }), sshGuest(func(g *api.SSHGuest) {
		g.Hostname, g.Names, g.User, g.Keys, g.Addresses = "web2", []string{"web2"}, "", nil, g.Addresses[1:]
	})}
	const want = `Host Web1 Web1.example.net 10.122.0.7 fd00::7
    HostName 10.122.0.7
    HostKeyAlias web1
    User debian
    KnownHostsCommand KNOWN
    UserKnownHostsFile /dev/null
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
# new has no address
Host web2 fd00::7
    HostName fd00::7
    HostKeyAlias web2
`
	var out strings.Builder
	if err := printSSHConfig(&out, cmd, guests); err != nil {
		t.Error(err)
	}
	if got := strings.ReplaceAll(out.String(), knownHostsCommandLine(cmd), "KNOWN"); got != want {
		t.Errorf("\n%swant\n%s", got, want)
	}
}

// Each key is a line with all names and addresses. Who has no keys is named.
func TestPrintKnownHosts(t *testing.T) {
	none := func(name string) api.SSHGuest {
		return sshGuest(func(g *api.SSHGuest) { g.Name, g.Keys = name, nil })
	}
	guests := []api.SSHGuest{none("new"), sshGuest(nil), none("newer\x1b")}
	var out, notes strings.Builder
	if err := printKnownHosts(&out, guests); err != nil {
		t.Error(err)
	}
	const want = "Web1,Web1.example.net,10.122.0.7,fd00::7 ssh-ed25519 AAAA1\nWeb1,Web1.example.net,10.122.0.7,fd00::7 ecdsa-sha2-nistp256 AAAA2\n"
	if out.String() != want {
		t.Errorf("\n%swant\n%s", &out, want)
	}
	noteKeyless(&notes, guests)
	if got := notes.String(); got != "mdserver: no host keys were reported by new, "+output.Printable("newer\x1b")+"\n" {
		t.Errorf("noted is %q", got)
	}
	notes.Reset()
	if noteKeyless(&notes, guests[1:2]); notes.Len() > 0 {
		t.Errorf("noted is %q of a guest with keys", &notes)
	}
}

// The keys of a guest that cannot be written are an error, and so is each part of it.
func TestPrintKnownHostsFails(t *testing.T) {
	broken := brokenPipe{}
	if err := printKnownHosts(broken, []api.SSHGuest{sshGuest(nil)}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("known_hosts lines: %v", err)
	}
	if err := printSSHConfig(broken, connected(t), []api.SSHGuest{sshGuest(nil)}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a configuration: %v", err)
	}
	if err := hostCAView.Text(broken, newHostCA(api.SSHAuthority{SSHKey: key1}, "*")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("an authority: %v", err)
	}
}

// ssh does not wait for a server that accepts nobody.
func TestPrintHostKeysDoesNotWait(t *testing.T) {
	dir, err := os.MkdirTemp("", "ssh") // short enough for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cmd := connected(t, "--socket", socket)
	cmd.SetContext(t.Context())
	// That it comes back at all is the test: nothing else ends the wait.
	if err := printHostKeys(cmd, []string{"web1"}, 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ends with %v", err)
	}
	for _, args := range [][]string{nil, {"web1", "web2"}} {
		if err := printHostKeys(cmd, args, time.Minute); err == nil || !strings.Contains(err.Error(), "needs one host") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

// The key that signs comes first, then the former ones, each with its own line.
func TestHostCA(t *testing.T) {
	ca := newHostCA(api.SSHAuthority{SSHKey: key1, Former: []api.SSHFormerKey{{SSHKey: key2}}}, "web*,10.122.*")
	const now, former = "@cert-authority web*,10.122.* ssh-ed25519 AAAA1 mdserver", "@cert-authority web*,10.122.* ecdsa-sha2-nistp256 AAAA2 mdserver"
	if ca.Line != now || ca.Hosts != "web*,10.122.*" || ca.SSHKey != key1 || len(ca.Former) != 1 || ca.Former[0].Line != former || ca.Former[0].SSHKey != key2 {
		t.Errorf("%+v", ca)
	}
	var out strings.Builder
	if err := hostCAView.Text(&out, ca); err != nil || out.String() != now+"\n"+former+"\n" {
		t.Errorf("printed is %q, %v", &out, err)
	}
	for hosts, want := range map[string]bool{"*": true, "web*,10.*": true, "!a,b": true, "": false, "a b": false, "a\tb": false, "a\nb": false, "a\rb": false, "a#b": false} {
		err := checkHosts(hosts)
		if (err == nil) != want || err != nil && (exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), "accepted are patterns without spaces")) {
			t.Errorf("--hosts %q: %v", hosts, err)
		}
	}
}
