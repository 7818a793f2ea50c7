package naming

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/rules"
	"mdserver/internal/inventory/storage"
)

var (
	self  = uuid.NewSHA1(uuid.Nil, []byte("self"))
	lost  = uuid.NewSHA1(uuid.Nil, []byte("the lost one"))
	onMDS = []instance.Attachment{{Network: "mds"}}
	onLAN = []instance.Attachment{{Network: "lan"}}
)

// guest is a guest on a network, whose UUID follows from its host name.
func guest(hostname, network string) instance.Instance {
	id := uuid.NewSHA1(uuid.Nil, []byte(hostname))
	return instance.Instance{ID: instance.DeriveID(id), UUID: id, Name: hostname, Hostname: hostname, Network: network}
}

// chooser is one of a host hv1, on whose network mds the guest "db" of example.net has the
// prefix lab-, and where the name of a lost guest is withheld.
func chooser(t *testing.T, guests ...instance.Instance) (Chooser, *[]string) {
	t.Helper()
	x, conflicts := index.Build(instance.Table{Instances: append(guests, guest("db", "mds"))}, "mds")
	if len(conflicts) > 0 {
		t.Fatal(conflicts[0].Err)
	}
	free := &[]string{}
	return Chooser{Table: x.Edit(), Free: free, Rules: rules.New(rules.Options{
		Networks: []instance.Network{{Name: "mds", Domain: "example.net", NamePrefix: "lab-"}, {Name: "lan"}},
		OwnNames: []string{"hv1"},
		Hosts: func(name string) []netip.Addr {
			return map[string][]netip.Addr{"nas": {netip.MustParseAddr("192.0.2.1")}}[name]
		},
		Withheld: []storage.Withheld{{UUID: lost, Name: "lost", Hostname: "lost", File: "x.json"}},
	})}, free
}

func distinct(hostname string) string { return instance.DistinctHostname(hostname, self) }

func TestChoose(t *testing.T) {
	dom := func(name, hostname string) instance.Domain {
		d := instance.Domain{Name: name, UUID: self}
		if hostname != "" {
			d.Metadata.Values = map[string]string{"hostname": hostname}
		}
		return d
	}
	had := func(name, hostname, requested string) *instance.Instance {
		g := &instance.Instance{UUID: self, Name: name, Hostname: hostname}
		if requested != "" {
			g.Metadata.Values = map[string]string{"hostname": requested}
		}
		return g
	}
	for name, test := range map[string]struct {
		dom     instance.Domain
		current *instance.Instance
		want    string
		problem string // why it is not the derived name
	}{
		"derived":                               {dom: dom("web", ""), want: "web"},
		"requested":                             {dom: dom("web", "www"), want: "www"},
		"kept":                                  {dom: dom("web", ""), current: had("web", "web-1", ""), want: "web-1"},
		"renamed":                               {dom: dom("www", ""), current: had("web", "web-1", ""), want: "www"},
		"requested no more":                     {dom: dom("web", ""), current: had("web", "www", "www"), want: "web"},
		"kept, and never given":                 {dom: dom("web", ""), current: had("web", "hv1", ""), want: "web"},
		"a name of the host":                    {dom: dom("hv1", ""), want: distinct("hv1"), problem: `the host name "hv1" is not available: it is a name of this host`},
		"a name of its hosts file":              {dom: dom("nas", ""), want: distinct("nas"), problem: `the host name "nas" is not available: it is the name of 192.0.2.1 in this host's hosts file`},
		"withheld":                              {dom: dom("lost", ""), want: distinct("lost"), problem: `the host name "lost" is not available: it is reserved for the guest "lost", whose record was set aside in x.json`},
		"withheld in DNS":                       {dom: dom("lost.example.net", ""), want: distinct("lost.example.net"), problem: "it is reserved for"},
		"another guest's":                       {dom: dom("db", ""), want: distinct("db")},
		"another guest's in DNS":                {dom: dom("lab-db", ""), want: distinct("lab-db")},
		"with a dot, below the domain":          {dom: dom("web.example.net", ""), want: "web.example.net"},
		"with a dot, and elsewhere":             {dom: dom("web.example.org", ""), want: "web-example-org"},
		"with a dot, requested":                 {dom: dom("x", "web.example.org"), want: "web.example.org"},
		"without a letter that a name can have": {dom: dom("日本", ""), want: instance.DeriveHostname("日本", self, "vm")},
	} {
		c, _ := chooser(t)
		got, problem, err := c.Choose(test.dom, onMDS, test.current)
		if err != nil || got != test.want || !strings.Contains(problem, test.problem) || (problem == "") != (test.problem == "") {
			t.Errorf("%s: %q, %q, %v; want %q, %q", name, got, problem, err, test.want, test.problem)
		}
	}
}

// A request is granted or refused, and says why.
func TestGrant(t *testing.T) {
	for name, test := range map[string]struct {
		wanted      string
		unconfirmed bool
		kind        error
		why         string
	}{
		"free":                          {wanted: "www"},
		"of the host":                   {"hv1", false, denied.ErrInvalid, "it is a name of this host"},
		"reserved":                      {"wpad", false, denied.ErrInvalid, "WPAD"},
		"withheld":                      {"LOST", false, denied.ErrInvalid, "it is reserved for the guest"},
		"another guest's":               {"DB", false, denied.ErrHostnameTaken, `request another one in the metadata, or, if "db" no longer exists`},
		"another guest's in DNS":        {"db.example.net", false, denied.ErrHostnameTaken, `"db"`},
		"with a dot":                    {"www.example.org", false, nil, ""},
		"with a dot, unconfirmed":       {"www.example.org", true, denied.ErrInvalid, "only root may request a name outside the network's domain"},
		"below the domain, unconfirmed": {"www.example.net", true, nil, ""},
		"without a dot, unconfirmed":    {"www", true, nil, ""},
	} {
		c, _ := chooser(t)
		c.Unconfirmed = test.unconfirmed
		dom := instance.Domain{Name: "web", UUID: self, Metadata: instance.Metadata{Values: map[string]string{"hostname": test.wanted}}}
		_, _, err := c.Choose(dom, onMDS, nil)
		if !errors.Is(err, test.kind) || err != nil && !strings.Contains(err.Error(), test.why) {
			t.Errorf("%s: %v, want %v: %s", name, err, test.kind, test.why)
		}
	}
}

// A name is taken if another guest has it, or if both would share a DNS name on a network.
func TestHolder(t *testing.T) {
	for name, test := range map[string]struct {
		hostname string
		places   []instance.Attachment
		id       uuid.UUID
		want     string
		free     []string // what the choice relies on
	}{
		"its own":                       {"db", onMDS, guest("db", "").UUID, "", []string{"lab-db", "db.example.net", "lab-db.example.net"}},
		"another's":                     {"DB", onMDS, self, "db", nil},
		"another's, anywhere":           {"db", onLAN, self, "db", nil},
		"another's with the prefix":     {"lab-db", onMDS, self, "db", nil},
		"with the prefix, elsewhere":    {"lab-db", onLAN, self, "", nil},
		"of a guest of another network": {"lab-far", onMDS, self, "", nil},
		"of no one":                     {"web", onMDS, self, "", []string{"lab-web", "web.example.net", "lab-web.example.net"}},
		"its own in DNS":                {"lab-db", onMDS, guest("db", "").UUID, "", nil},
	} {
		c, free := chooser(t, guest("far", "lan"))
		got := ""
		if other := c.Holder(test.hostname, test.id, test.places); other != nil {
			got = other.Hostname
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		for _, f := range test.free {
			if !slices.Contains(*free, f) {
				t.Errorf("%s: it relies on %q, want %q among them", name, *free, f)
			}
		}
		for _, f := range *free {
			if _, taken := c.Table.ByHostname(f); taken {
				t.Errorf("%s: it relies on %q, which is a guest's", name, f)
			}
		}
	}
}

// Digits are added until a name is free; they are the same each time.
func TestDistinct(t *testing.T) {
	var tried []string
	got := Distinct("web", self, func(name string) bool {
		tried = append(tried, name)
		return len(tried) == 4
	})
	second := instance.DistinctHostname("web", uuid.NewSHA1(self, []byte("web")))
	if len(tried) != 4 || tried[0] != "web" || tried[1] != distinct("web") || tried[2] != second || got != tried[3] || slices.Contains(tried[:3], got) {
		t.Errorf("tried %q", tried)
	}
}

// A record from another database keeps its name if it can have it.
func TestFitting(t *testing.T) {
	for hostname, keeps := range map[string]bool{
		"web": true, "nas": true, "web.example.org": true, // given to no new guest
		"db": false, "hv1": false, "wpad": false, "lost": false,
		"lab-db": true, // in DNS as the other database had it
	} {
		c, _ := chooser(t)
		g := &instance.Instance{UUID: self, Hostname: hostname, Network: "mds"}
		want := hostname
		if !keeps {
			want = distinct(hostname)
		}
		if got := c.Fitting(g, nil); got != want {
			t.Errorf("%s: %q, want %q", hostname, got, want)
		}
	}
	c, _ := chooser(t)
	g := &instance.Instance{UUID: self, Hostname: "lab-lost", Network: "mds"}
	if got := c.Fitting(g, nil); got != "lab-lost" {
		t.Errorf("on no network, it is %q", got)
	}
	if got := c.Fitting(g, onMDS); got != distinct("lab-lost") {
		t.Errorf("on a network where the name is withheld, it is %q", got)
	}
}

// Only a guest whose name may be given to no guest gets another one, which is free.
func TestRename(t *testing.T) {
	for hostname, renamed := range map[string]bool{"web": false, "nas": false, "lost": false, "hv1": true, "wpad": true} {
		c, _ := chooser(t)
		want, reason := hostname, ""
		if renamed {
			want, reason = distinct(hostname), "it"
		}
		got, why := c.Rename(&instance.Instance{UUID: self, Hostname: hostname, Network: "mds"})
		if got != want || (why == "") != (reason == "") {
			t.Errorf("%s: %q because %q, want %q", hostname, got, why, want)
		}
	}
	c, _ := chooser(t, guest(distinct("hv1"), "mds"))
	if got, _ := c.Rename(&instance.Instance{UUID: self, Hostname: "hv1", Network: "mds"}); got == distinct("hv1") || !strings.HasPrefix(got, "hv1-") {
		t.Errorf("its distinct name is taken, and it is %q", got)
	}
}

// A guest keeps the name that it has, although that is withheld for another one.
func TestWithheldNameOfAGuest(t *testing.T) {
	has := guest("lost", "mds")
	c, _ := chooser(t, has)
	for name, id := range map[string]uuid.UUID{"the guest itself": has.UUID, "the lost one": lost} {
		if other := c.withheld("LOST", id, onMDS); other != nil {
			t.Errorf("%s cannot have it: %v", name, other)
		}
	}
	for _, hostname := range []string{"lost", "lab-lost", "lost.example.net"} {
		if other := c.withheld(hostname, self, onMDS); other == nil || other.UUID != lost {
			t.Errorf("%s is withheld for %v", hostname, other)
		}
	}
	if other := c.withheld("lab-lost", has.UUID, onMDS); other == nil {
		t.Error("the guest gets another name that is withheld")
	}
}
