package server

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/api"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/visible"
)

// busy is a server with something of everything, a minute and a half after its start.
func busy() api.Status {
	now := time.Now()
	lan := api.Network{Name: "lan", IPv4: "10.1.0.0/24", IPv6: "fd00::/64", Bridge: "br-lan", Guests: 2, Backend: "dnsmasq",
		PortSecurity: api.PortSecurity{On: true, Guests: 3}, Dnsmasq: &api.Dnsmasq{Mode: api.DnsmasqOff}}
	wan := api.Network{Name: "wan", Backend: "libvirt", PortSecurity: api.PortSecurity{On: true, Trouble: "no rights"}}
	return api.Status{
		Version: "1.2", PID: 7, Started: now.Add(-90 * time.Second), Config: "/etc/a.conf", Listen: "169.254.169.254:80",
		Networks: []api.Network{lan, wan}, Guests: 2, NotServed: api.NotServed{Refused: 3, Unserved: 4}, Addresses: api.Addresses{Used: 5, Resting: 6},
		IMDS: api.IMDS{Mode: "optional", Tokens: 8, WithoutToken: 9, Refused: 10}, Identity: "interface",
		Refused: api.Counts{Connections: 11, Requests: 12, Interface: 13, MAC: 14, Port: 15, Unknown: 16},
		Libvirt: api.Libvirt{URI: "qemu:///system", LibvirtSync: api.LibvirtSync{Connected: true, Since: now.Add(-time.Minute), Socket: "/run/libvirt", Domains: 17, Events: 18}},
		Store:   &api.Store{Members: 3, Usable: 2, Revision: 19, Staleness: 1.6, Unshared: 20, Conflicts: 21, Spares: []api.SpareAddresses{{Network: "lan", Family: "ipv4", Addresses: 22}, {Network: "lan", Family: "ipv6", Addresses: 23}}},
		Health: []api.Part{{Name: "database", State: api.OK, Since: now.Add(-time.Hour)},
			{Name: "disk", State: api.Warning, Since: now.Add(-2 * time.Minute), Trouble: []api.Trouble{{Part: "disk", State: api.Warning, Message: "is nearly full", Since: now}}},
			{Name: "network wan", State: api.Wrong, Since: now.Add(-3 * time.Minute), Trouble: []api.Trouble{{Part: "network wan", State: api.Wrong, Message: "two\nlines", Since: now, Look: []string{"virsh net-list", "mdserver doctor"}}}}},
	}
}

func TestPrintStatus(t *testing.T) {
	const want = `mdserver:         1.2, pid 7, up 1m30s
configuration:    /etc/a.conf
listens on:       169.254.169.254:80
network:          lan 10.1.0.0/24 fd00::/64 on br-lan, 2 guests, by dnsmasq
network:          wan on -, 0 guests, by libvirt
port security:    lan on, ports of 3 guests
port security:    wan failed
libvirt:          /run/libvirt for 1m0s, 17 domains, 18 events
guests:           2
other domains:    3 refused, 4 on networks that are not served (mdserver instance ls --refused)
addresses:        5 in use, 6 in quarantine
imds:             optional, 8 tokens, 9 requests without one, 10 refused
guests known by:  interface
turned away:      11 connections and 12 requests too many, 13 by a wrong interface, 14 from a wrong MAC, 15 by a wrong port, 16 of unknown origin
etcd:             2 of 3 members usable, revision 19 as of 2s ago, 20 guests not shared, 21 conflicts
spare addresses:  22 IPv4 on lan, 23 IPv6 on lan
dnsmasq:          lan off
health:           database ok, disk warning for 2m0s, network wan wrong for 3m0s
trouble:          network wan: two; lines
see:              virsh net-list
see:              mdserver doctor
trouble:          disk: is nearly full
`
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		if err := statusView.Text(&out, busy()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
		// What there is nothing to say of is left out.
		out.Reset()
		if err := printStatus(&out, api.Status{Libvirt: api.Libvirt{URI: "off"}}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"other domains:", "etcd:", "spare addresses:", "dnsmasq:", "health:", "trouble:", "network:"} {
			if strings.Contains(out.String(), "\n"+name) {
				t.Errorf("there is a line %s in\n%s", name, &out)
			}
		}
	})
}

// TestStatusFails checks the exit code of a server of which something is wrong, and of one that only
// warns.
func TestStatusFails(t *testing.T) {
	status := busy()
	if !statusView.Wrong(status) || statusView.Exit != exit.Trouble {
		t.Errorf("wrong is %v, and the exit code %d", statusView.Wrong(status), statusView.Exit)
	}
	status.Health = status.Health[:2]
	if statusView.Wrong(status) {
		t.Error("a warning is wrong")
	}
}

func TestHealthSheet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := busy()
		now, since := time.Now().Format(time.RFC3339), status.Health[0].Since.Format(time.RFC3339)
		want := [][]string{
			{"database", "ok", since, "", ""},
			{"disk", "warning", now, "is nearly full", ""},
			{"network wan", "wrong", now, "two; lines", "virsh net-list; mdserver doctor"},
		}
		if diff := cmp.Diff(want, healthSheet(status).Rows); diff != "" {
			t.Error(diff)
		}
	})
}

// TestWorstHealth checks that the line about all parts has the color of the worst.
func TestWorstHealth(t *testing.T) {
	for _, tt := range []struct{ states, want string }{
		{"ok ok", outputtest.Green}, {"ok warning", outputtest.Yellow}, {"warning ok", outputtest.Yellow},
		{"wrong ok", outputtest.Red}, {"wrong warning", outputtest.Red}, {"warning wrong ok", outputtest.Red},
	} {
		var status api.Status
		for state := range strings.FieldsSeq(tt.states) {
			status.Health = append(status.Health, api.Part{State: api.Condition(state)})
		}
		var out bytes.Buffer
		s := &output.Screen{Writer: visible.Writer{W: &out}, Colored: true}
		if err := output.ColoredFields(s, describeHealth(status)); err != nil {
			t.Fatal(err)
		}
		if color := strings.TrimPrefix(out.String(), "health:  ")[:len(outputtest.Red)]; color != tt.want {
			t.Errorf("%s: the color is %q, want %q", tt.states, color, tt.want)
		}
	}
}

func TestDescribeLibvirt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		since := time.Now().Add(-5 * time.Second)
		for want, l := range map[string]api.Libvirt{
			"not used":                            {URI: "off", LibvirtSync: api.LibvirtSync{Error: "x", Since: since}},
			"/s for 5s, 2 domains, 3 events":      {LibvirtSync: api.LibvirtSync{Connected: true, Socket: "/s", Domains: 2, Events: 3, Error: "x", Since: since}},
			"not reached for 5s: refused; by all": {LibvirtSync: api.LibvirtSync{Error: "refused\nby all", Since: since}},
			"not reached yet":                     {LibvirtSync: api.LibvirtSync{Since: since}},
		} {
			if got := describeLibvirt(l); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
}

// noon is when something happened.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)

func TestDescribeParts(t *testing.T) {
	for name, tt := range map[string]struct{ got, want string }{
		"a drained host":         {describeStore(api.Store{Members: 1, Drained: noon}), "0 of 1 members usable, revision 0 as of 0s ago, 0 guests not shared, 0 conflicts; this host is drained since 2026-03-01 12:00:00"},
		"no spare addresses":     {describeSpares(nil), ""},
		"all domains are served": {describeNotServed(api.NotServed{}), ""},
		"refused domains":        {describeNotServed(api.NotServed{Refused: 1}), "1 refused (mdserver instance ls --refused)"},
		"other networks":         {describeNotServed(api.NotServed{Unserved: 1}), "1 on networks that are not served (mdserver instance ls --refused)"},

		"dnsmasq":              {describeDnsmasq(api.Dnsmasq{Mode: "child", PID: 7}), "child, pid 7"},
		"a dnsmasq that fails": {describeDnsmasq(api.Dnsmasq{Mode: "child", Restarts: 1, Replaced: 2, Repairs: 3, Warning: "no user"}), "child, restarted 1 time, did not answer 2 times, files or answers corrected 3 times; no user"},

		"dnsmasq is off":           {describeChange(api.Dnsmasq{Mode: api.DnsmasqOff, Since: noon, Live: true}), ""},
		"nothing has changed":      {describeChange(api.Dnsmasq{Mode: "child"}), ""},
		"a change is confirmed":    {describeChange(api.Dnsmasq{Mode: "child", Since: noon, Live: true, Guests: 4}), "confirmed by dnsmasq at 2026-03-01 12:00:00, 4 guests"},
		"a change is not":          {describeChange(api.Dnsmasq{Mode: "child", Since: noon, Guests: 4}), "not confirmed by dnsmasq since 2026-03-01 12:00:00"},
		"addresses":                {describeUse(api.Network{IPv4: "10.0.0.0/24", Used: 1, Free: 2}), "1 used, 2 free"},
		"no IPv4":                  {describeUse(api.Network{Used: 1, Free: 2}), ""},
		"libvirt is away":          {describeLibvirtNetwork(api.LibvirtNetwork{Active: true, Entries: 1}), "not connected"},
		"libvirt's network":        {describeLibvirtNetwork(api.LibvirtNetwork{Connected: true, Active: true, Entries: 1}), "active, entries of 1 guest"},
		"one that is off":          {describeLibvirtNetwork(api.LibvirtNetwork{Connected: true, Leases: 8}), "inactive, entries of 0 guests, 8 leases at most"},
		"port security is off":     {describePortSecurity(api.PortSecurity{Trouble: "x"}) + describeEnforced(api.PortSecurity{Guests: 1}), "offoff"},
		"port security has failed": {describePortSecurity(api.PortSecurity{On: true, Trouble: "x"}) + describeEnforced(api.PortSecurity{On: true, Trouble: "x", Guests: 1}), "failedfailed"},
		"port security":            {describePortSecurity(api.PortSecurity{On: true, Guests: 1}), "on"},
		"port security, in short":  {describeEnforced(api.PortSecurity{On: true, Guests: 1}), "on, ports of 1 guest"},
		"port security, all":       {describeEnforced(api.PortSecurity{On: true, Guests: 1, Off: 2, Strangers: 3, Dropped: api.Drops{"mac": 4}}), "on, ports of 1 guest, 2 with it off, 3 taps of no known guest, dropped 4 from a foreign MAC"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", name, tt.got, tt.want)
		}
	}
}

func TestPrintNetwork(t *testing.T) {
	full := api.Network{Name: "lan ", Backend: "libvirt", Bridge: "br0", Scope: "host", IPv4: "10.0.0.0/24", IPv6: "fd00::/64", Domain: "lan.example", Guests: 3, Used: 4, Free: 5,
		Ranges: []string{"10.0.0.2-10.0.0.9", "10.0.0.20"}, Trouble: "no\nbridge", Dnsmasq: &api.Dnsmasq{Mode: "child", PID: 7, Since: noon, Live: true, Guests: 3},
		Libvirt: &api.LibvirtNetwork{Connected: true, Active: true, Entries: 2}}
	const all = `name:           "lan "
backend:        libvirt
bridge:         br0
scope:          host
IPv4:           10.0.0.0/24
addresses:      4 used, 5 free
ranges:         10.0.0.2-10.0.0.9, 10.0.0.20
IPv6:           fd00::/64
domain:         lan.example
guests:         3
port security:  off
dnsmasq:        child, pid 7
last change:    confirmed by dnsmasq at 2026-03-01 12:00:00, 3 guests
libvirt:        active, entries of 2 guests
trouble:        no; bridge
`
	for want, n := range map[string]api.Network{all: full, "name:           mds\nguests:         0\nport security:  off\n": {Name: "mds"}} {
		var out bytes.Buffer
		if err := printNetwork(&out, n); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	}
	want := [][]string{{"lan ", "libvirt", "br0", "10.0.0.0/24", "fd00::/64", "lan.example", "3", "4", "5", "off", "no; bridge"}}
	if diff := cmp.Diff(want, networkSheet([]api.Network{full}).Rows); diff != "" {
		t.Error(diff)
	}
}

func TestFindNetwork(t *testing.T) {
	networks := []api.Network{{Name: "mds"}, {Name: "default"}}
	if n, err := findNetwork(networks, "default"); err != nil || n.Name != "default" {
		t.Errorf("%+v, %v", n, err)
	}
	for name, want := range map[string]string{
		"mdx":     `no such network: "mdx"; there are: mds, default; did you mean "mds"?`,
		"nothing": `no such network: "nothing"; there are: mds, default`,
		"":        `no such network: ""; there are: mds, default`,
	} {
		if _, err := findNetwork(networks, name); exit.Code(err) != exit.NotFound || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestPrintReloaded(t *testing.T) {
	for name, tt := range map[string]struct {
		reloaded    api.Reloaded
		text, notes string
	}{
		"nothing has changed": {api.Reloaded{File: "/a.conf"}, "reloaded /a.conf\n", ""},
		"all that can": {api.Reloaded{File: "/a.conf", Changed: []string{"a.b", "a.c"}, Restart: []string{"d.e", "d.f"}, Warnings: []string{"x", "y"}},
			"reloaded /a.conf\nactive now: a.b, a.c\nchanged, but needs a restart: d.e, d.f\n", "warning: x\nwarning: y\n"},
	} {
		var text, notes bytes.Buffer
		if err := reloadedView.Text(&text, tt.reloaded); err != nil {
			t.Error(err)
		}
		if reloadedView.Notes(&notes, tt.reloaded); text.String() != tt.text || notes.String() != tt.notes {
			t.Errorf("%s: %q and %q", name, &text, &notes)
		}
	}
}

func TestPrintUsage(t *testing.T) {
	var out bytes.Buffer
	const want = "heap:         1234 kB\ngoroutines:   5\ndescriptors:  6\n"
	if err := printUsage(&out, api.Usage{HeapBytes: 1234999, Goroutines: 5, Descriptors: 6}); err != nil || out.String() != want {
		t.Errorf("%v, %q", err, &out)
	}
	if err := printUsage(brokenPipe{}, api.Usage{}); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if err := printStatus(brokenPipe{}, busy()); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestUserID checks whom the launcher gives access.
func TestUserID(t *testing.T) {
	if id, err := userID("root"); err != nil || id != 0 {
		t.Errorf("root is %d, %v", id, err)
	}
	if _, err := userID("no such user"); err == nil || !strings.HasPrefix(err.Error(), "user with access: ") {
		t.Error(err)
	}
}
