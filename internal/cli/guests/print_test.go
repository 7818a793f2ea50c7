package guests

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt"
)

// noon is a time that is printed alike in every time zone.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)

// web1 returns a guest with two interfaces that are served and three that are not.
func web1() instance.Instance {
	return instance.Instance{
		Name: "web1", Hostname: "host1", ID: "i-1", UUID: uuid.UUID{1}, Location: "here", Network: "mds", MAC: instance.MAC{2, 0, 0, 0, 0, 1},
		IPv4: netip.MustParseAddr("10.122.0.7"), IPv6: netip.MustParseAddr("fd00::7"),
		Further:   []instance.Attachment{{Network: "lan", MAC: instance.MAC{2, 0, 0, 0, 0, 2}, IPv4: netip.MustParseAddr("10.50.0.7")}},
		FirstSeen: noon, LastUpdate: noon.Add(time.Hour),
		Interfaces: []instance.Interface{
			{MAC: instance.MAC{2, 0, 0, 0, 0, 1}, Network: "mds", Target: "vnet1"}, {MAC: instance.MAC{2, 0, 0, 0, 0, 2}, Network: "lan", Target: "vnet2"},
			{MAC: instance.MAC{2, 0, 0, 0, 0, 3}, Network: "other"}, {MAC: instance.MAC{2, 0, 0, 0, 0, 4}, Bridge: "br0"}, {MAC: instance.MAC{2, 0, 0, 0, 0, 5}},
		},
		Hardware: instance.Hardware{VCPUs: 2, Memory: 1 << 30, Arch: "x86_64"},
		Presence: instance.Presence{State: "present", Since: noon},
		Metadata: instance.Metadata{Values: map[string]string{"rack": "four", "az": " x"}, Tags: map[string]string{"role": "web"}, Warnings: []string{"a key is empty"}},
	}
}

func TestPrintInstance(t *testing.T) {
	const want = `name:              web1
host name:         host1
UUID:              01000000-0000-0000-0000-000000000000
instance-id:       i-1
MAC:               02:00:00:00:00:01
IPv4:              10.122.0.7
IPv6:              fd00::7
location:          here
first seen:        2026-03-01 12:00:00
last update:       2026-03-01 13:00:00
in libvirt:        present since 2026-03-01 12:00:00
host:              kvm1 (epoch 3)
unshared:          the other hosts do not have this record yet, because etcd did not answer
CPUs:              2
memory:            1024 MiB
architecture:      x86_64
interface:         02:00:00:00:00:01 on mds: 10.122.0.7, fd00::7
interface:         02:00:00:00:00:02 on lan: 10.50.0.7
interface:         02:00:00:00:00:03 on other
interface:         02:00:00:00:00:04 on the bridge br0
interface:         02:00:00:00:00:05 on (no libvirt network)
metadata az:       " x"
metadata rack:     four
metadata tags:     role=web
metadata warning:  a key is empty
`
	guest := web1()
	guest.Unshared = true
	guest.Home = instance.Home{Host: "kvm1", HostID: "id-1", Epoch: 3}
	var out strings.Builder
	err := printInstance(&out, guest)
	if diff := cmp.Diff(want, out.String()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	out.Reset()
	if err := printInstance(&out, instance.Instance{Name: "web1"}); err != nil || strings.Contains(out.String(), "host:") || strings.Contains(out.String(), "libvirt") || strings.Contains(out.String(), "unshared") {
		t.Errorf("a guest of the only host, without libvirt: %v\n%s", err, &out)
	}
}

func TestDescribeHome(t *testing.T) {
	for want, home := range map[string]instance.Home{
		"none (epoch 2)":                         {Host: "kvm1", Epoch: 2},
		"kvm1 (epoch 1)":                         {Host: "kvm1", HostID: "id-1", Epoch: 1},
		"kvm2 (epoch 3), on its way from kvm1":   {Host: "kvm2", HostID: "id-2", Epoch: 3, FromHost: "kvm1", FromID: "id-1"},
		`"k 1 " (epoch 1), on its way from " k"`: {Host: "k 1 ", HostID: "id-2", Epoch: 1, FromHost: " k", FromID: "id-1"},
	} {
		if got := describeHome(home); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestGuestSheet(t *testing.T) {
	guest, alone := web1(), instance.Instance{Name: "b c", UUID: uuid.UUID{2}, FirstSeen: noon.UTC(), LastUpdate: noon.UTC()}
	guest.FirstSeen, guest.LastUpdate = noon.UTC(), noon.Add(time.Hour).UTC()
	guest.Home.Host = "kvm1"
	booting := &api.BootBrief{Verdict: api.Verdict{State: api.Booting, Phase: "lease"}}
	list := selection.Selected{
		Guests:  []api.Guest{{Instance: guest, State: api.Running, Boot: booting}, {Instance: alone, State: api.Off}},
		Bridges: map[string]string{"mds": "br-mds", "lan": ""}, Now: noon.Add(3 * time.Hour),
	}
	first, last := guest.FirstSeen.Format(time.RFC3339), guest.LastUpdate.Format(time.RFC3339)
	want := view.Sheet{
		Columns: []string{"NAME", "HOSTNAME", "IPV4", "IPV6", "MAC", "INSTANCE-ID", "STATE", "BOOT", "AGE"},
		Wide:    []string{"UUID", "NETWORK", "BRIDGE", "TAP", "FIRST SEEN", "LAST UPDATE", "HOST"},
		Rows: [][]string{
			{"web1", "host1", "10.122.0.7, 10.50.0.7", "fd00::7", "02:00:00:00:00:01", "i-1", "running", "lease", "3h",
				"01000000-0000-0000-0000-000000000000", "mds, lan", "br-mds", "vnet1, vnet2", first, last, "kvm1"},
			{"b c", "", "", "", "00:00:00:00:00:00", "", "off", "", "3h", "02000000-0000-0000-0000-000000000000", "", "", "", first, first, ""},
		},
		Names: []string{"web1", "02000000-0000-0000-0000-000000000000"},
	}
	if diff := cmp.Diff(want, guestSheet(list)); diff != "" {
		t.Error(diff)
	}
}

func TestCells(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 0: "0s", 59*time.Second + 999*time.Millisecond: "59s", time.Minute: "1m", time.Hour - 1: "59m", time.Hour: "1h", 47 * time.Hour: "47h",
		2*day - 1: "47h", 2 * day: "2d", 400 * day: "400d",
	} {
		if got := age(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
	for want, b := range map[string]*api.BootBrief{
		"":      nil,
		"lease": {Verdict: api.Verdict{State: api.Booting, Phase: "lease"}},
		"ready": {Verdict: api.Verdict{State: api.Ready, Phase: "modules-final"}},
		"stuck": {Verdict: api.Verdict{State: api.Stuck, Phase: "lease"}},
	} {
		if got := bootCell(b); got != want {
			t.Errorf("boot %q, want %q", got, want)
		}
	}
	guest := api.Guest{State: api.Running}
	if got := stateCell(guest); got != "running" {
		t.Error(got)
	}
	if guest.Unshared = true; stateCell(guest) != "running, unshared" {
		t.Error(stateCell(guest))
	}
}

func TestPrintRefusals(t *testing.T) {
	refused := api.Refusal{Name: "twin", UUID: uuid.UUID{1}, State: api.Refused, Reason: "MAC address in use", Advice: []string{"one way", "another"}, Since: noon}
	unserved := api.Refusal{Name: "else where ", UUID: uuid.UUID{2}, State: api.Unserved, Reason: "on no network", Since: noon}
	more := "\non networks that are not served: %d more (mdserver instance ls --refused)\n"
	for name, tt := range map[string]struct {
		all  []api.Refusal
		want string
	}{
		"none":              {nil, ""},
		"with a fault":      {[]api.Refusal{refused, refused}, "\nrefused: twin: MAC address in use\nrefused: twin: MAC address in use\n"},
		"of other networks": {[]api.Refusal{unserved, unserved}, fmt.Sprintf(more, 2)},
		"of both kinds":     {[]api.Refusal{refused, unserved}, "\nrefused: twin: MAC address in use\n" + fmt.Sprintf(more, 1)},
	} {
		var out strings.Builder
		if printNotServed(&out, tt.all); out.String() != tt.want {
			t.Errorf("%s:\n%swant\n%s", name, &out, tt.want)
		}
	}
	var out strings.Builder
	printRefusals(&out, []api.Refusal{refused, unserved})
	if want := "refused  twin: MAC address in use\n           one way\n           another\nunserved \"else where \": on no network\n"; out.String() != want {
		t.Errorf("\n%swant\n%s", &out, want)
	}
	out.Reset()
	printRefusal(&out, refused)
	if want := "\nREFUSED since 2026-03-01 12:00:00: MAC address in use\n- one way\n- another\n"; out.String() != want {
		t.Errorf("\n%swant\n%s", &out, want)
	}
	since := noon.Format(time.RFC3339)
	wide := [][]string{{"twin", "refused", "MAC address in use", refused.UUID.String(), since}, {`"else where "`, "unserved", "on no network", unserved.UUID.String(), since}}
	if diff := cmp.Diff(wide, refusalsView.Sheet([]api.Refusal{refused, unserved}).Rows); diff != "" {
		t.Error(diff)
	}
}

// explained returns the explanation of a guest about which everything is known.
func explained() api.Explanation {
	addr := netip.MustParseAddr
	return api.Explanation{
		Name: "web1", Served: true, Facts: []api.Fact{{Name: "UUID", Value: "u-1", Source: "the domain's definition"}, {Name: "location", Source: "nobody"}},
		Addresses: []api.ExplainedAddress{{Address: addr("10.122.0.7"), Network: "mds", Why: "chosen", Passed: []api.PassedAddress{{Address: addr("10.122.0.6"), Reason: "of web2"}}, More: 3},
			{Address: addr("fd00::7"), Network: "mds", Why: "derived"}},
		PortSecurity: []api.GuestPortSecurity{
			{Network: "mds", State: "on", Port: "vnet1", Why: "as configured", MACs: []instance.MAC{{2, 0, 0, 0, 0, 1}},
				Sends: []netip.Prefix{netip.MustParsePrefix("10.122.0.7/32"), netip.MustParsePrefix("fe80::/64")}, Dropped: api.Drops{"mac": 4, "syn": 5}},
			{Network: "lan", State: "off", Why: "port_security is no"},
		},
		Template: api.TemplateChoice{Serves: "/a.yaml", Candidates: []api.TemplateCandidate{
			{Rule: "by name", Path: "/a.yaml", There: true}, {Rule: "by MAC", Path: "/b.yaml"}, {Rule: "the default", Path: "/c.yaml", There: true, Wrong: "not readable"}}},
		Since: noon, DHCP: &api.DHCP{Message: "DHCPACK", At: noon.Add(time.Minute)},
		Requests: api.Requests{Kinds: []api.RequestKind{{Name: "metadata", Count: 5, Last: noon.Add(time.Hour), Status: 200}},
			Recent: []api.Request{{At: noon.Add(1500 * time.Millisecond), Client: addr("10.122.0.7"), Method: "GET", Path: "/latest/", Status: 404}}},
		Missing: []string{"no SSH key is configured", "no request"},
	}
}

func TestPrintExplanation(t *testing.T) {
	const (
		facts = "FACT      VALUE  FROM\nUUID      u-1    the domain's definition\nlocation  \"\"     nobody\n"
		rest  = `
ADDRESSES
10.122.0.7 on mds: chosen
  passed 10.122.0.6: of web2
  passed 3 more
fd00::7 on mds: derived

PORT SECURITY
on on mds at vnet1: as configured
  sends from 02:00:00:00:00:01, 10.122.0.7, fe80::/64
  dropped 4 from a foreign MAC, 5 connections opened too fast
off on lan: port_security is no

TEMPLATE /a.yaml
  there   /a.yaml (by name)
  absent  /b.yaml (by MAC)
  wrong   /c.yaml (the default)

REQUESTS since 2026-03-01 12:00:00
DHCPACK at 2026-03-01 12:01:00
KIND      COUNT  LAST                 STATUS
metadata  5      2026-03-01 13:00:00  200
  12:00:01.500 10.122.0.7 GET /latest/ 404
`
		missing = "\nMISSING\n- no SSH key is configured\n- no request\n"
		refused = "\nREFUSED since 2026-03-01 12:00:00: in use\n"
	)
	refusal := &api.Refusal{State: api.Refused, Reason: "in use", Since: noon}
	for name, tt := range map[string]struct {
		change func(*api.Explanation)
		want   string
	}{
		"a guest":                        {func(*api.Explanation) {}, facts + rest + missing},
		"nothing is missing":             {func(doc *api.Explanation) { doc.Missing = nil }, facts + rest + "\nMISSING\nnothing\n"},
		"a guest, and it is refused now": {func(doc *api.Explanation) { doc.Refusal = refusal }, facts + refused + rest + missing},
		"no guest":                       {func(doc *api.Explanation) { doc.Served, doc.Refusal = false, refusal }, facts + refused},
		"a record that was set aside":    {func(doc *api.Explanation) { doc.Served = false }, facts + missing},
	} {
		t.Run(name, func(t *testing.T) {
			doc := explained()
			tt.change(&doc)
			var out strings.Builder
			err := printExplanation(&out, doc)
			if diff := cmp.Diff(tt.want, out.String()); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestPrintRegistered(t *testing.T) {
	guest := instance.Instance{Name: "web 1 ", Hostname: "host1", IPv4: netip.MustParseAddr("10.122.0.7"), IPv6: netip.MustParseAddr("fd00::7")}
	for want, r := range map[string]api.Registered{
		"registered \"web 1 \": 10.122.0.7, fd00::7, host name host1\n": {Created: true, Instance: guest},
		"updated \"web 1 \": 10.122.0.7, fd00::7, host name host1\n":    {Instance: guest, Warning: "careful"},
		"updated web2: no address, host name web2\n":                    {Instance: instance.Instance{Name: "web2", Hostname: "web2"}},
	} {
		var out, notes strings.Builder
		if err := registeredView.Text(&out, r); err != nil || out.String() != want {
			t.Errorf("%v, %q, want %q", err, &out, want)
		}
		registeredView.Notes(&notes, r)
		if told := notes.String() == "warning: careful\n"; told != (r.Warning != "") || !told && notes.Len() > 0 {
			t.Errorf("printed as notes: %q", &notes)
		}
	}
	if got, want := removalQuestion([]instance.Instance{guest, {Name: "web2"}}), `Remove "web 1 " (10.122.0.7, fd00::7), web2 (no address)?`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var out strings.Builder
	if err := removedView("would remove").Text(&out, []instance.Instance{guest, {Name: "web2"}}); err != nil || out.String() != "would remove \"web 1 \": 10.122.0.7, fd00::7\nwould remove web2: no address\n" {
		t.Errorf("%v, %q", err, &out)
	}
}

func TestPrintReprovisioned(t *testing.T) {
	var out strings.Builder
	if err := reprovisionedView("i-1").Text(&out, instance.Instance{Name: "web1 ", ID: "i-2"}); err != nil || out.String() != "\"web1 \": the instance-id was i-1 and is i-2\n" {
		t.Errorf("%v, %q", err, &out)
	}
}

// TestReadDefinition checks that a definition may be as large as the server accepts, and no larger.
func TestReadDefinition(t *testing.T) {
	for size, want := range map[int]error{0: nil, libvirt.MaxDomainXML: nil, libvirt.MaxDomainXML + 1: libvirt.ErrTooLarge} {
		text := strings.Repeat("x", size)
		file := filepath.Join(t.TempDir(), "web1.xml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := &cobra.Command{}
		cmd.SetIn(strings.NewReader(text))
		for _, name := range []string{file, "-"} {
			if got, err := readDefinition(cmd, name); !errors.Is(err, want) || err == nil && string(got) != text {
				t.Errorf("%d bytes from %s: %d bytes, %v", size, name, len(got), err)
			}
		}
	}
	if _, err := readDefinition(&cobra.Command{}, filepath.Join(t.TempDir(), "none")); exit.Code(err) != exit.Unreadable {
		t.Error(err)
	}
}
