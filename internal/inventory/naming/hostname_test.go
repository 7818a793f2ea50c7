package naming_test

import (
	"net/netip"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
)

// A guest does not get a share in another's names by a name that contains the
// prefix or the domain.
func TestHostnamesAreUniqueInDNS(t *testing.T) {
	l := newLab(t, func(opts *inventory.Options) {
		opts.Networks[0].NamePrefix, opts.Networks[0].Domain = "lab-", "example.net"
		opts.Networks = append(opts.Networks, instance.Network{Name: "other", IPv4: netip.MustParsePrefix("10.0.1.0/28")})
	})
	hostname := func(d instance.Domain) string { t.Helper(); return l.MustRegister(d).Instance.Hostname }
	if got := hostname(dom(1, "web")); got != "web" {
		t.Errorf("derived %q", got)
	}
	for i, name := range []string{"lab-web", "web.example.net", "lab-web.example.net"} {
		id := 2 + i
		if got, want := hostname(dom(id, name)), instance.DistinctHostname(name, uid(id)); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	l.Refused(dom(5, "x", "hostname", "LAB-web"), denied.ErrHostnameTaken, `"x"`, `"web"`)
	if got := hostname(dom(5, "web.example.org")); got != "web-example-org" {
		t.Errorf("a name in another domain is %q", got)
	}
	elsewhere := dom(6, "lab-www")
	elsewhere.Interfaces[1].Network = "other"
	if got := hostname(elsewhere); got != "lab-www" {
		t.Errorf("on a network without prefix, lab-www is %q", got)
	}
	if got := hostname(dom(7, "www")); got != "www" {
		t.Errorf("a guest of another network took the name of %q", got)
	}
}
