package hostkeys

import (
	"slices"
	"strings"
	"testing"

	"mdserver/internal/instance"
)

func TestNames(t *testing.T) {
	h := newHouse(t)
	web := h.start(1, "web", "mds")
	db := h.start(2, "db", "lab")
	for _, tt := range []struct {
		got  []string
		want string
	}{
		{h.directory().Names(web), "web web.vm.example.net"},
		{h.directory().Names(db), "db lab-db lab-db.lab.example.net"},
	} {
		if got := strings.Join(tt.got, " "); got != tt.want {
			t.Errorf("names %q, want %q", got, tt.want)
		}
	}
}

func TestFind(t *testing.T) {
	h := newHouse(t)
	web := h.start(1, "web", "mds")
	db := h.start(2, "db", "lab")
	addr4, addr6 := web.IPv4.String(), web.IPv6.String()
	for host, want := range map[string]string{
		"web": "web", "WEB": "web", "web.vm.example.net": "web", "Web.VM.example.net.": "web", "[web]:2222": "web",
		addr4: "web", addr6: "web", "[" + addr6 + "]:22": "web", "[" + addr4 + "]:2222": "web", "::ffff:" + addr4: "web",
		"db": "db", "lab-db": "db", "lab-db.lab.example.net": "db", db.IPv4.String(): "db",
		"db.lab.example.net": "", "web.lab.example.net": "", "lab-web": "", "web.vm.example.net.evil.org": "", "vm.example.net": "",
		"": "", "[": "", "[web": "", "[web]": "", "[web]:22,evil": "", "[web]:22 evil": "", "*": "", "web,evil": "", "10.122.255.254": "",
		"we?": "", "web ": "", ".": "", strings.Repeat("a.", 200): "",
	} {
		guest, ok := h.directory().Find(host)
		if got := ""; ok != (want != "") || ok && guest.Name != want {
			if ok {
				got = guest.Name
			}
			t.Errorf("%q is %q, want %q", host, got, want)
		}
	}
}

// Two guests on networks that are apart may share a name in DNS. It is the one's
// whose host name it is, or nobody's.
func TestSharedNames(t *testing.T) {
	h := newHouse(t)
	plain, derived := h.start(1, "lab-db", "mds"), h.start(2, "db", "lab")
	if got := h.directory().Names(derived); !slices.Equal(got, []string{"db", "lab-db.lab.example.net"}) {
		t.Errorf("the names of %s are %q", derived.Name, got)
	}
	if guest, ok := h.directory().Find("lab-db"); !ok || guest.UUID != plain.UUID {
		t.Errorf("lab-db is %+v", guest)
	}
	for _, guest := range []string{"lab-db", "db"} {
		found, _ := h.directory().Guests.ByName(guest)
		for _, name := range h.directory().Names(found) {
			if owner, ok := h.directory().Find(name); !ok || owner.UUID != found.UUID {
				t.Errorf("%s is a name of %s, and leads to %+v", name, guest, owner)
			}
		}
	}
}

// A name that two guests derive from their host names, on networks that are apart, is
// nobody's.
func TestNameOfTwoGuests(t *testing.T) {
	h := newHouse(t)
	long, short := h.start(1, "b-web", "mds"), h.start(2, "web", "lab")
	d := Directory{Guests: h.inv.Snapshot(), Networks: []instance.Network{{Name: "mds", NamePrefix: "a-"}, {Name: "lab", NamePrefix: "a-b-"}}}
	if guest, ok := d.Find("a-b-web"); ok {
		t.Errorf("a-b-web is %s", guest.Name)
	}
	for _, guest := range []*instance.Instance{long, short} {
		if got := d.Names(guest); !slices.Equal(got, []string{guest.Hostname}) {
			t.Errorf("the names of %s are %q", guest.Name, got)
		}
	}
	d.Networks = d.Networks[1:]
	if guest, ok := d.Find("a-b-web"); !ok || guest.UUID != short.UUID {
		t.Errorf("with one prefix a-b-web is %+v", guest)
	}
}

// A name that a guest has on two networks is one name.
func TestNameOnTwoNetworks(t *testing.T) {
	h := newHouse(t)
	web := h.start(1, "web", "mds")
	d := Directory{Guests: h.inv.Snapshot(), Networks: []instance.Network{{Name: "mds", NamePrefix: "vm-"}, {Name: "lab", NamePrefix: "vm-"}}}
	if guest, ok := d.Find("vm-web"); !ok || guest.UUID != web.UUID {
		t.Errorf("vm-web is %+v", guest)
	}
	if got := d.Names(web); !slices.Equal(got, []string{"web", "vm-web"}) {
		t.Errorf("the names are %q", got)
	}
}
