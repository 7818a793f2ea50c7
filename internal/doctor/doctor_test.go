package doctor

import (
	"net/netip"
	"testing"
	"time"

	"mdserver/internal/config"
)

// What cloud-init's ds-identify takes a guest for, by its definition.
func TestDatasource(t *testing.T) {
	const head = `<domain><name>web1</name><uuid>ec2a544d-d555-4133-a443-8229415be701</uuid>`
	system := func(entry, value string) string {
		return head + `<os><smbios mode='sysinfo'/></os><sysinfo type='smbios'><system><entry name='` + entry + `'>` + value + `</entry></system></sysinfo></domain>`
	}
	tests := []struct{ name, xml, want string }{
		{"plain QEMU", head + `<os/></domain>`, ""},
		{"AWS", system("serial", "EC2a544d-d555-4133-a443-8229415be701"), "Ec2"},
		{"AWS without its serial number", system("serial", "x"), ""},
		{"NoCloud by serial number", system("serial", "ds=nocloud-net;s=http://169.254.169.254/nocloud/"), "NoCloud"},
		{"NoCloud by command line", head + `<os><cmdline>quiet ds=nocloud-net;s=http://x/</cmdline></os></domain>`, "NoCloud"},
		{"OpenStack", system("product", "OpenStack Nova"), "OpenStack"},
		{"a clone", system("serial", "srv-1.brightbox.com"), "Ec2 clone"},
		{"not in force", head + `<os/><sysinfo type='smbios'><system><entry name='product'>OpenStack Nova</entry></system></sysinfo></domain>`, ""},
	}
	for _, tt := range tests {
		d, err := parseDomain(tt.xml)
		if err != nil {
			t.Fatal(err)
		}
		got, why := datasourceOf(d)
		if got != tt.want || (got == "") == (why == "") {
			t.Errorf("%s: %q (%q), want %q", tt.name, got, why, tt.want)
		}
	}
}

func TestReloadTime(t *testing.T) {
	const property = "{ path=/bin/kill ; argv[]=/bin/kill -HUP $MAINPID ; ignore_errors=no ; start_time=[Tue 2026-11-24 10:00:00 UTC] ; stop_time=[n/a] ; pid=7 ; code=exited ; status=0 }"
	at, ok := reloadTime(property)
	if want := time.Date(2026, 11, 24, 10, 0, 1, 0, time.UTC); !ok || !at.Equal(want) {
		t.Errorf("%v %v, want %v", at, ok, want)
	}
	for _, never := range []string{"", "{ path=/bin/kill ; start_time=[n/a] ; }"} {
		if at, ok := reloadTime(never); ok {
			t.Errorf("%q was read as %v", never, at)
		}
	}
}

func TestSize(t *testing.T) {
	addr := netip.MustParseAddr
	tests := []struct {
		prefix   string
		reserved []config.Range
		want     int
	}{
		{"10.122.0.0/29", nil, 5},
		{"10.122.0.0/29", []config.Range{{First: addr("10.122.0.2"), Last: addr("10.122.0.4")}}, 2},
		{"10.122.0.0/16", nil, 65533},
	}
	for _, tt := range tests {
		n := Network{IPv4: netip.MustParsePrefix(tt.prefix), Gateway: addr("10.122.0.1"), Reserved: tt.reserved}
		if got := size(n); got != tt.want {
			t.Errorf("%s without %v has %d addresses, want %d", tt.prefix, tt.reserved, got, tt.want)
		}
	}
}

func TestRoom(t *testing.T) {
	n := Network{IPv4: netip.MustParsePrefix("10.122.0.0/24"), Gateway: netip.MustParseAddr("10.122.0.1")}
	for used, want := range map[int]State{0: OK, 200: OK, 240: Warning, 253: Wrong} {
		if got := room(n, used).State; got != want {
			t.Errorf("%d addresses in use are %s, want %s", used, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{"web1": "web1", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'"} {
		if got := quote(word); got != want {
			t.Errorf("%q is written %s, want %s", word, got, want)
		}
	}
}

// A wildcard socket is in everybody's way, one on another interface in nobody's.
func TestTakes(t *testing.T) {
	port := netip.MustParseAddrPort
	gateway := port("10.122.0.1:53")
	tests := []struct {
		l    listener
		link int
		want bool
	}{
		{listener{"udp", port("0.0.0.0:53"), 0, 1}, 3, true},
		{listener{"udp", port("[::]:53"), 0, 1}, 3, true},
		{listener{"udp", port("0.0.0.0:53"), 4, 1}, 3, false},
		{listener{"udp", port("127.0.0.53:53"), 0, 1}, 3, false},
		{listener{"tcp", port("0.0.0.0:53"), 0, 1}, 3, false},
		{listener{"udp", port("10.122.0.1:53"), 0, 1}, 3, true},
		{listener{"udp", port("10.122.0.1:67"), 0, 1}, 3, false},
	}
	for _, tt := range tests {
		if got := tt.l.takes("udp", gateway, tt.link); got != tt.want {
			t.Errorf("%v on interface %d: %v, want %v", tt.l, tt.l.link, got, tt.want)
		}
	}
}
