package dnsmasq

import (
	"os"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/instance"
)

// Guests whose host names begin with the same label are told apart, however
// often they ask for their leases.
func TestFirstLabelShared(t *testing.T) {
	for _, domain := range []string{"", "example.net", "lab", "y.lab"} {
		t.Run("domain "+domain, func(t *testing.T) {
			l := newLab(t)
			l.Domain, l.Prefix, l.EntryOrder = domain, "", []string{"domain", "base"}
			plain := newGuest(1, "master-0")
			guests := []instance.Instance{plain, newGuest(2, "master-0.x.lab"), newGuest(3, "master-0.y.lab"), newGuest(4, "master-0.z.lab")}
			if domain == "y.lab" {
				guests = guests[1:] // there, master-0 is master-0.y.lab
				plain = guests[1]
			}
			l.start(guests...)
			for _, guest := range append(slices.Clone(guests), guests...) {
				l.wantServed(guest) // which asks for a lease
				if got := l.lookup("master-0"); len(got) > 0 && !slices.Equal(got, []string{plain.IPv4.String()}) {
					t.Errorf("after %s had a lease, master-0 is %v", guest.Hostname, got)
				}
			}
			l.wantOnce("dhcp-host names", l.DHCPFile(), 4)
		})
	}
}

// wantOnce checks that no two lines of a file have the same field, counted from
// 0, other than the lease time.
func (l *lab) wantOnce(what, file string, field int) {
	l.t.Helper()
	seen := map[string]bool{}
	text, err := os.ReadFile(file)
	must(l.t, err)
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) < field+2 {
			continue
		}
		if seen[fields[field]] {
			l.t.Errorf("%s: %s is there twice:\n%s", what, fields[field], text)
		}
		seen[fields[field]] = true
	}
}

// A host name that is in the domain already does not get it twice.
func TestReverseNameInDomain(t *testing.T) {
	for _, c := range []struct {
		hostname, prefix, order, want string
	}{
		{"web9.example.net", "", "domain,base", "web9.example.net."},
		{"WEB9.Example.NET", "", "domain,base", "web9.example.net."},
		{"web9.example.net", "lab-", "domain", "lab-web9.example.net."},
		{"web9.example.net", "", "base", "web9.example.net."},
		{"web9", "", "base", "web9.example.net."},
		{"web9.example.org", "", "base,domain", "web9.example.org."},
	} {
		t.Run(strings.ReplaceAll(c.hostname+" "+c.prefix+" "+c.order, ",", "+"), func(t *testing.T) {
			l := newLab(t)
			l.Prefix, l.EntryOrder = c.prefix, strings.Split(c.order, ",")
			guest := newGuest(9, c.hostname)
			l.start(guest)
			for range 2 { // the second time with a lease
				if got := l.reverse(guest.IPv4.String()); !slices.Equal(got, []string{c.want}) {
					t.Errorf("PTR %v, want %s", got, c.want)
				}
				l.wantServed(guest)
			}
		})
	}
}
