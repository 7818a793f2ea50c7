package naming_test

import (
	"net/netip"
	"strings"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storetest"
)

// onHost is a host called hv1 on a network with a domain, whose hosts file knows
// a machine of its own and a guest.
func onHost(o *inventory.Options) {
	o.Networks[0].Domain = "example.net"
	o.OwnNames = []string{"hv1", "hv1.example.com"}
	o.Hosts = func(name string) []netip.Addr {
		return map[string][]netip.Addr{
			"nas":             {netip.MustParseAddr("192.0.2.1")},
			"db1.example.net": {netip.MustParseAddr("192.0.2.2")},
			"web9":            {netip.MustParseAddr("10.0.0.9")},
		}[name]
	}
}

func withPrefix(o *inventory.Options) { o.Networks[0].NamePrefix = "w" }

// A guest gets digits behind a name that no guest may have, and is told why.
func TestReservedHostnames(t *testing.T) {
	for name, why := range map[string]string{
		"wpad": "WPAD", "WPAD": "WPAD", "isatap": "Windows", "com": "top-level", "gateway": "router", "metadata": "GCE",
		"wpad.example.net": "WPAD", "com.example.net": "top-level", "hv1": "a name of this host", "HV1": "a name of this host",
		"hv1.example.net": "a name of this host", "nas": "192.0.2.1", "nas.example.net": "192.0.2.1", "db1": "192.0.2.2",
		"web9": "10.0.0.9", "pad": "WPAD",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, onHost, withPrefix)
			reg := l.MustRegister(dom(1, name))
			if got, want := reg.Instance.Hostname, instance.DistinctHostname(name, uid(1)); got != want {
				t.Errorf("the host name is %q, want %q", got, want)
			}
			if !strings.Contains(reg.NameProblem, why) {
				t.Errorf("told %q, want %q in it", reg.NameProblem, why)
			}
			if again := l.MustRegister(dom(1, name)); again.Instance.Hostname != reg.Instance.Hostname || again.NameProblem != "" {
				t.Errorf("registered again, it is %q (%s)", again.Instance.Hostname, again.NameProblem)
			}
			l.Refused(dom(2, "other", "hostname", name), denied.ErrInvalid, "hostname", name, why)
		})
	}
}

func TestHostnamesThatAreGiven(t *testing.T) {
	for name, want := range map[string]string{
		"web1": "web1", "dev": "dev", "hv12": "hv12", "localhost-1": "localhost-1",
		"web1.example.net": "web1.example.net", // below the network's domain
		"web1.example.com": "web1-example-com",
		"example.net":      "example-net",
		"www.google.com":   "www-google-com",
		"wpad.example.org": "wpad-example-org",
	} {
		l := newLab(t, onHost)
		if reg := l.MustRegister(dom(1, name)); reg.Instance.Hostname != want || reg.NameProblem != "" {
			t.Errorf("%q has the host name %q (%s), want %q", name, reg.Instance.Hostname, reg.NameProblem, want)
		}
	}
	l := newLab(t, onHost)
	if got := l.MustRegister(dom(1, "x", "hostname", "www.example.org")).Instance.Hostname; got != "www.example.org" {
		t.Errorf("the metadata asks for a dotted name, and the guest has %q", got)
	}
	// the hosts file names the guest itself
	if got := l.MustRegister(dom(2, "web9", "ipv4", "10.0.0.9")).Instance.Hostname; got != "web9" {
		t.Errorf("web9 has the host name %q", got)
	}
}

// Guests of an older database that have such a name get another, once; a dotted
// name and one that the hosts file has are kept.
func TestReservedHostnamesOfOlderDatabases(t *testing.T) {
	store := storetest.NewMemory()
	var table []instance.Instance
	for i, name := range []string{"wpad", "com", "web1.example.com", "nas", "hv1"} {
		table = append(table, instance.Instance{ID: instance.DeriveID(uid(i)), UUID: uid(i), Name: name, Hostname: name, Network: "mds", MAC: mac(i + 1)})
	}
	if err := store.Apply(t.Context(), []instance.Change{{Put: table}}); err != nil {
		t.Fatal(err)
	}
	l := labOn(t, store, onHost)
	renamed, err := l.RenameReserved(t.Context())
	if err != nil || len(renamed) != 3 {
		t.Fatalf("renamed %+v (%v), want three", renamed, err)
	}
	for i, name := range []string{"wpad", "com", "web1.example.com", "nas", "hv1"} {
		want := name
		if name == "wpad" || name == "com" || name == "hv1" {
			want = instance.DistinctHostname(name, uid(i))
		}
		guest, ok := l.Snapshot().ByName(name)
		if !ok || guest.Hostname != want {
			t.Errorf("%s: %+v, want the host name %q", name, guest, want)
		}
		d := dom(i, name)
		d.Interfaces = []instance.Interface{{MAC: mac(i + 1), Network: "mds"}}
		if got := l.MustRegister(d).Instance.Hostname; got != want {
			t.Errorf("registered again, %s is %q, want %q", name, got, want)
		}
	}
	if again, err := l.RenameReserved(t.Context()); err != nil || len(again) != 0 {
		t.Errorf("renamed again: %+v (%v)", again, err)
	}
}

// The original's guests keep their names, with their dots, but for those that no
// guest may have.
func TestImportOfReservedHostnames(t *testing.T) {
	l := newLab(t, onHost)
	var records []instance.Instance
	want := map[string]string{}
	for i, name := range []string{"web1.example.com", "www.google.com", "nas", "wpad", "hv1"} {
		records = append(records, instance.Instance{UUID: uid(i), Name: name, Hostname: name, MAC: mac(i + 1)})
		want[name] = name
	}
	want["wpad"], want["hv1"] = instance.DistinctHostname("wpad", uid(3)), instance.DistinctHostname("hv1", uid(4))
	result, err := l.Import(t.Context(), records)
	if err != nil || len(result.Skipped) != 0 {
		t.Fatal(result.Skipped, err)
	}
	for _, guest := range result.Added {
		if guest.Hostname != want[guest.Name] {
			t.Errorf("%s has the host name %q, want %q", guest.Name, guest.Hostname, want[guest.Name])
		}
		d := dom(1, guest.Name)
		d.UUID, d.Interfaces = guest.UUID, []instance.Interface{{MAC: guest.MAC, Network: "mds"}}
		if got := l.MustRegister(d).Instance.Hostname; got != want[guest.Name] {
			t.Errorf("registered, %s is %q, want %q", guest.Name, got, want[guest.Name])
		}
	}
}
