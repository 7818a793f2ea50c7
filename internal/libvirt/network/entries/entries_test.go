package entries

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"mdserver/internal/instance"
)

// An entry is mdserver's only if all of it is.
func TestHasHost(t *testing.T) {
	ours := []Entry{guest(5, "web"), {IP: ip(6), Names: []string{"db"}}}
	for name, tt := range map[string]struct {
		host DHCPHost
		want bool
	}{
		"as it was made":         {DHCPHost{mac(5), ip(5), "web"}, true},
		"without its name":       {DHCPHost{mac(5), ip(5), ""}, true},
		"with another name":      {DHCPHost{mac(5), ip(5), "www"}, false},
		"with another MAC":       {DHCPHost{mac(6), ip(5), "web"}, false},
		"with another address":   {DHCPHost{mac(5), ip(6), "web"}, false},
		"of which DNS alone is":  {DHCPHost{mac(6), ip(6), ""}, false},
		"without a MAC, as ours": {DHCPHost{instance.MAC{}, ip(6), ""}, false},
	} {
		if got := hasHost(ours, tt.host); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestHasNames(t *testing.T) {
	ours := []Entry{guest(5, "web", "www")}
	for name, tt := range map[string]struct {
		host DNSHost
		want bool
	}{
		"as it was made":       {DNSHost{ip(5), []string{"web", "www"}}, true},
		"with fewer names":     {DNSHost{ip(5), []string{"www"}}, true},
		"with one more name":   {DNSHost{ip(5), []string{"web", "www", "mail"}}, false},
		"with another name":    {DNSHost{ip(5), []string{"mail"}}, false},
		"without names":        {DNSHost{ip(5), nil}, false},
		"with another address": {DNSHost{ip(6), []string{"web"}}, false},
	} {
		if got := hasNames(ours, tt.host); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Entries of others are not noted as mdserver's, one by one.
func TestForeignEntriesAreNotNoted(t *testing.T) {
	wanted := []Entry{guest(5, "web")}
	for name, tt := range map[string]struct {
		definition Definition
		before     []Entry
		want       Entry
	}{
		"nothing there":           {Definition{}, nil, guest(5, "web")},
		"another has the MAC":     {Definition{Hosts: []DHCPHost{{MAC: mac(5), IP: ip(9)}}}, nil, Entry{IP: ip(5), Names: []string{"web"}}},
		"another has the address": {Definition{Hosts: []DHCPHost{{MAC: mac(9), IP: ip(5)}}}, nil, Entry{IP: ip(5), Names: []string{"web"}}},
		"others are elsewhere":    {Definition{Hosts: []DHCPHost{{MAC: mac(9), IP: ip(9)}}, Names: []DNSHost{{ip(9), []string{"x"}}}}, nil, guest(5, "web")},
		"another has names":       {Definition{Names: []DNSHost{{ip(5), []string{"x"}}}}, nil, Entry{MAC: mac(5), IP: ip(5), Name: "web"}},
		"our own": {Definition{Hosts: []DHCPHost{{mac(5), ip(5), "web"}}, Names: []DNSHost{{ip(5), []string{"web"}}}},
			[]Entry{guest(5, "web")}, guest(5, "web")},
	} {
		if got := Mine(wanted, tt.before, tt.definition); len(got) != 1 || !reflect.DeepEqual(got[0], tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestEqualEntries(t *testing.T) {
	web := guest(5, "web", "www")
	for name, other := range map[string]Entry{
		"MAC": {mac(6), ip(5), "web", web.Names}, "address": {mac(5), ip(6), "web", web.Names},
		"name": {mac(5), ip(5), "x", web.Names}, "names": {mac(5), ip(5), "web", []string{"web"}},
	} {
		if web.Equal(other) {
			t.Errorf("equal in spite of another %s", name)
		}
	}
	all := Union([]Entry{web}, []Entry{guest(5, "web", "www"), guest(6, "db")})
	if !web.Equal(guest(5, "web", "www")) || len(all) != 2 || !all[1].Equal(guest(6, "db")) {
		t.Errorf("all: %+v", all)
	}
}

// A host name that another entry has is left out, and no other.
func TestNameOfAnother(t *testing.T) {
	hosts := []DHCPHost{{MAC: mac(9), IP: ip(9)}, {MAC: mac(8), IP: ip(8), Name: "web"}}
	for name, want := range map[string]string{"web": "", "db": "db", "": ""} {
		var p Plan
		p.addHost(hosts, DHCPHost{mac(5), ip(5), name})
		if len(p.Problems) != 0 || len(p.Steps) != 1 || *p.Steps[0].DHCP != (DHCPHost{mac(5), ip(5), want}) {
			t.Errorf("%q: %+v", name, p)
		}
	}
	var p Plan
	p.addNames([]DNSHost{{ip(8), []string{"web", "www"}}}, DNSHost{ip(5), []string{"web", "www"}})
	if len(p.Steps) != 0 || len(p.Problems) != 1 || !strings.HasSuffix(p.Problems[0], "have them: web, www") {
		t.Errorf("%+v", p)
	}
}

func TestEqualNames(t *testing.T) {
	web := DNSHost{ip(5), []string{"web", "www"}}
	for name, other := range map[string]DNSHost{
		"address": {ip(6), web.Names}, "names": {ip(5), []string{"web"}}, "order": {ip(5), []string{"www", "web"}},
	} {
		if web.Equal(other) {
			t.Errorf("equal in spite of another %s", name)
		}
	}
	if !web.Equal(DNSHost{ip(5), []string{"web", "www"}}) {
		t.Error("not equal to itself")
	}
}

// An address has one DNS entry. If another's has it, the guest's names are a problem,
// unless that entry says the same.
func TestNamesOfAnAddress(t *testing.T) {
	for name, tt := range map[string]struct {
		names   []DNSHost
		problem string
		step    string
	}{
		"none":             {nil, "", `<host ip="192.168.122.5"><hostname>web</hostname></host>`},
		"of others":        {[]DNSHost{{ip(8), []string{"mail"}}}, "", `<host ip="192.168.122.5"><hostname>web</hostname></host>`},
		"the same":         {[]DNSHost{{ip(5), []string{"web"}}}, "", ""},
		"others":           {[]DNSHost{{ip(5), []string{"box", "nas"}}}, "192.168.122.5 shares names with other DNS entries of the network: box, nas", ""},
		"others, as third": {[]DNSHost{{ip(7), nil}, {ip(8), nil}, {ip(5), []string{"box"}}}, "192.168.122.5 shares names with other DNS entries of the network: box", ""},
	} {
		var p Plan
		p.addNames(tt.names, DNSHost{ip(5), []string{"web"}})
		if problems := strings.Join(p.Problems, "; "); problems != tt.problem {
			t.Errorf("%s: %q, want %q", name, problems, tt.problem)
		}
		steps := ""
		for _, s := range p.Steps {
			steps += s.XML()
		}
		if steps != tt.step {
			t.Errorf("%s: %s, want %s", name, steps, tt.step)
		}
	}
	var p Plan
	p.addNames(nil, DNSHost{IP: ip(5)})
	if len(p.Steps)+len(p.Problems) != 0 {
		t.Errorf("without names: %+v", p)
	}
}

// A guest without a name has no conflict with another that has none.
func TestHostsWithoutNames(t *testing.T) {
	var p Plan
	p.addHost([]DHCPHost{{MAC: mac(8), IP: ip(8)}}, DHCPHost{MAC: mac(5), IP: ip(5)})
	if len(p.Steps) != 1 || p.Steps[0].Remove || p.Steps[0].XML() != `<host mac="52:54:00:51:00:05" ip="192.168.122.5"></host>` {
		t.Errorf("%+v", p)
	}
}

// A lease is stale if its guest is gone, or has another address now.
func TestStale(t *testing.T) {
	web, db := guest(5, "web"), guest(6, "db")
	for name, tt := range map[string]struct {
		leases         map[netip.Addr]instance.MAC
		before, wanted []Entry
		want           []Entry
	}{
		"none":                        {nil, []Entry{web}, nil, nil},
		"of the guest":                {map[netip.Addr]instance.MAC{ip(5): mac(5)}, []Entry{web}, []Entry{web}, nil},
		"of a new guest":              {map[netip.Addr]instance.MAC{ip(5): mac(5)}, nil, []Entry{web}, nil},
		"of a guest that is gone":     {map[netip.Addr]instance.MAC{ip(5): mac(5)}, []Entry{web}, []Entry{db}, []Entry{{MAC: mac(5), IP: ip(5)}}},
		"of others":                   {map[netip.Addr]instance.MAC{ip(9): mac(9)}, []Entry{web}, []Entry{db}, nil},
		"of a machine of others":      {map[netip.Addr]instance.MAC{ip(9): mac(5)}, []Entry{web}, nil, nil},
		"on the address of a guest":   {map[netip.Addr]instance.MAC{ip(5): mac(9)}, []Entry{web}, nil, nil},
		"from before it had an entry": {map[netip.Addr]instance.MAC{ip(77): mac(5), ip(5): mac(5)}, nil, []Entry{db, web}, []Entry{{MAC: mac(5), IP: ip(77)}}},
		"from its former address":     {map[netip.Addr]instance.MAC{ip(5): mac(5)}, []Entry{web}, []Entry{{MAC: mac(5), IP: ip(7)}}, []Entry{{MAC: mac(5), IP: ip(5)}}},
		"several": {map[netip.Addr]instance.MAC{ip(6): mac(6), ip(5): mac(5), ip(4): mac(6)}, []Entry{web, db}, []Entry{{MAC: mac(6), IP: ip(9)}},
			[]Entry{{MAC: mac(6), IP: ip(4)}, {MAC: mac(5), IP: ip(5)}, {MAC: mac(6), IP: ip(6)}}},
	} {
		if got := Stale(tt.leases, tt.before, tt.wanted); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
