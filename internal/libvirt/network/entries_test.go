package network

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
)

// An entry is mdserver's only if all of it is.
func TestHasHost(t *testing.T) {
	ours := []entry{guest(5, "web"), {IP: ip(6), Names: []string{"db"}}}
	for name, tt := range map[string]struct {
		host dhcpHost
		want bool
	}{
		"as it was made":         {dhcpHost{mac(5), ip(5), "web"}, true},
		"without its name":       {dhcpHost{mac(5), ip(5), ""}, true},
		"with another name":      {dhcpHost{mac(5), ip(5), "www"}, false},
		"with another MAC":       {dhcpHost{mac(6), ip(5), "web"}, false},
		"with another address":   {dhcpHost{mac(5), ip(6), "web"}, false},
		"of which DNS alone is":  {dhcpHost{mac(6), ip(6), ""}, false},
		"without a MAC, as ours": {dhcpHost{instance.MAC{}, ip(6), ""}, false},
	} {
		if got := hasHost(ours, tt.host); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestHasNames(t *testing.T) {
	ours := []entry{guest(5, "web", "www")}
	for name, tt := range map[string]struct {
		host dnsHost
		want bool
	}{
		"as it was made":       {dnsHost{ip(5), []string{"web", "www"}}, true},
		"with fewer names":     {dnsHost{ip(5), []string{"www"}}, true},
		"with one more name":   {dnsHost{ip(5), []string{"web", "www", "mail"}}, false},
		"with another name":    {dnsHost{ip(5), []string{"mail"}}, false},
		"without names":        {dnsHost{ip(5), nil}, false},
		"with another address": {dnsHost{ip(6), []string{"web"}}, false},
	} {
		if got := hasNames(ours, tt.host); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Entries of others are not noted as mdserver's, one by one.
func TestForeignEntriesAreNotNoted(t *testing.T) {
	wanted := []entry{guest(5, "web")}
	for name, tt := range map[string]struct {
		definition definition
		before     []entry
		want       entry
	}{
		"nothing there":           {definition{}, nil, guest(5, "web")},
		"another has the MAC":     {definition{Hosts: []dhcpHost{{MAC: mac(5), IP: ip(9)}}}, nil, entry{IP: ip(5), Names: []string{"web"}}},
		"another has the address": {definition{Hosts: []dhcpHost{{MAC: mac(9), IP: ip(5)}}}, nil, entry{IP: ip(5), Names: []string{"web"}}},
		"others are elsewhere":    {definition{Hosts: []dhcpHost{{MAC: mac(9), IP: ip(9)}}, Names: []dnsHost{{ip(9), []string{"x"}}}}, nil, guest(5, "web")},
		"another has names":       {definition{Names: []dnsHost{{ip(5), []string{"x"}}}}, nil, entry{MAC: mac(5), IP: ip(5), Name: "web"}},
		"our own": {definition{Hosts: []dhcpHost{{mac(5), ip(5), "web"}}, Names: []dnsHost{{ip(5), []string{"web"}}}},
			[]entry{guest(5, "web")}, guest(5, "web")},
	} {
		if got := mine(wanted, tt.before, tt.definition); len(got) != 1 || !reflect.DeepEqual(got[0], tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestEqualEntries(t *testing.T) {
	web := guest(5, "web", "www")
	for name, other := range map[string]entry{
		"MAC": {mac(6), ip(5), "web", web.Names}, "address": {mac(5), ip(6), "web", web.Names},
		"name": {mac(5), ip(5), "x", web.Names}, "names": {mac(5), ip(5), "web", []string{"web"}},
	} {
		if web.equal(other) {
			t.Errorf("equal in spite of another %s", name)
		}
	}
	all := union([]entry{web}, []entry{guest(5, "web", "www"), guest(6, "db")})
	if !web.equal(guest(5, "web", "www")) || len(all) != 2 || !all[1].equal(guest(6, "db")) {
		t.Errorf("all: %+v", all)
	}
}

// A host name that another entry has is left out, and no other.
func TestNameOfAnother(t *testing.T) {
	hosts := []dhcpHost{{MAC: mac(9), IP: ip(9)}, {MAC: mac(8), IP: ip(8), Name: "web"}}
	for name, want := range map[string]string{"web": "", "db": "db", "": ""} {
		var p plan
		p.addHost(hosts, dhcpHost{mac(5), ip(5), name})
		if len(p.problems) != 0 || len(p.steps) != 1 || *p.steps[0].dhcp != (dhcpHost{mac(5), ip(5), want}) {
			t.Errorf("%q: %+v", name, p)
		}
	}
	var p plan
	p.addNames([]dnsHost{{ip(8), []string{"web", "www"}}}, dnsHost{ip(5), []string{"web", "www"}})
	if len(p.steps) != 0 || len(p.problems) != 1 || !strings.HasSuffix(p.problems[0], "have them: web, www") {
		t.Errorf("%+v", p)
	}
}

// What is leased to others does not have mdserver's own entries.
func TestViewOf(t *testing.T) {
	s := New(Settings{Name: "lan"}, notes{}, nil, nil)
	s.ours = []entry{guest(5, "web")}
	d := definition{Hosts: []dhcpHost{{mac(5), ip(5), "web"}, {mac(5), ip(6), ""}, {mac(7), ip(5), ""}, {MAC: mac(8)}, {mac(9), ip(9), "nas"}}}
	got := s.viewOf(state{active: true, live: d}).Leased
	if want := map[netip.Addr]instance.MAC{ip(6): mac(5), ip(5): mac(7), ip(9): mac(9)}; !reflect.DeepEqual(got, want) {
		t.Errorf("leased: %v, want %v", got, want)
	}
}

// What libvirt does not answer is an error of each call, and the guests follow as
// soon as it does, by the service's own looks.
func TestFailedCalls(t *testing.T) {
	server := newServer(t)
	s := serve(t, server, notes{})
	server.Refuse(libvirttest.NetworkGetXML, golibvirt.ErrOperationFailed)
	web := machine(2, "web")
	for name, call := range map[string]func() error{
		"Apply":       func() error { return s.Apply(t.Context(), []instance.Event{{New: &web}}) },
		"Reconfigure": func() error { return s.Reconfigure(t.Context(), s.set(), []instance.Instance{web}) },
		"Retire":      func() error { return s.Retire(t.Context()) },
	} {
		if err := call(); err == nil || err.Error() != "libvirt's network lan: refused by the test" {
			t.Errorf("%s: %v", name, err)
		}
		if !s.silent() || s.Status().LastError != "libvirt's network lan: refused by the test" {
			t.Errorf("%s: %+v", name, s.Status())
		}
	}
	got := Withdraw(t.Context(), connection.Endpoint{Socket: server.Socket}, "lan", noteOf(t, guest(5, "web")))
	if len(got.Problems) != 1 || len(got.Commands) != 2 {
		t.Errorf("%+v", got)
	}
	s.setGuests([]instance.Instance{web})
	server.Refuse(libvirttest.NetworkGetXML, 0)
	s.must(t, s.bring(t.Context(), callTime))
	s.holds(t, entriesOf("2", "web"))
	if s.silent() || s.Status().LastError != "" {
		t.Errorf("%+v", s.Status())
	}
	s.must(t, s.Close())
	for range 1000 {
		if server.Connections() == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the connection stays open after Close")
}

// A service that could not begin does so by itself.
func TestLateStart(t *testing.T) {
	server := newServer(t)
	server.Refuse(libvirttest.NetworkGetXML, golibvirt.ErrOperationFailed)
	s := begin(t, server, notes{}, machine(2, "web"))
	server.Refuse(libvirttest.NetworkGetXML, 0)
	for range 1000 {
		if n := server.Network("lan"); len(n.Config) == 2 && len(n.Live) == 2 {
			s.holds(t, entriesOf("2", "web"))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%+v", server.Network("lan"))
}
