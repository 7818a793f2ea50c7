package smbios

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/instance"
)

const (
	awsID   = "ec2a544d-d555-4133-a443-8229415be701"
	otherID = "7e5a544d-d555-4133-a443-8229415be701"
)

var server = Server{Address: netip.MustParseAddr("169.254.169.254"), Port: 80, Tokens: true}

// domain is a definition with these elements between <uuid> and <devices>.
func domain(uuid, elements string) string {
	return "<domain type='kvm'>\n  <name>web1</name>\n  <uuid>" + uuid + "</uuid>\n" + elements + "  <devices/>\n</domain>\n"
}

func parse(t *testing.T, definition string) Domain {
	t.Helper()
	d, err := Parse(definition)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What cloud-init's ds-identify takes a guest for, by its definition.
func TestFace(t *testing.T) {
	system := func(entry, value string) string {
		return `<os><smbios mode='sysinfo'/></os><sysinfo type='smbios'><system><entry name='` + entry + `'>` + value + `</entry></system></sysinfo>`
	}
	tests := []struct {
		name, elements string
		want           Datasource
	}{
		{"plain QEMU", `<os/>`, None},
		{"a copy of the host", `<os><smbios mode='host'/></os>`, None},
		{"AWS", system("serial", "EC2a544d-d555-4133-a443-8229415be701"), EC2},
		{"AWS without its serial number", system("serial", "x"), None},
		{"NoCloud by serial number", system("serial", "ds=nocloud;s=http://169.254.169.254/nocloud/"), NoCloud},
		{"NoCloud by its older name", system("serial", "ds=nocloud-net;s=http://169.254.169.254/nocloud/"), NoCloudNet},
		{"NoCloud by command line", `<os><cmdline>quiet ds=nocloud;s=http://x/</cmdline></os>`, NoCloud},
		{"NoCloud by command line and its older name", `<os><cmdline>quiet ds=nocloud-net;s=http://x/</cmdline></os>`, NoCloudNet},
		{"OpenStack", system("product", "OpenStack Nova"), OpenStack},
		{"OpenStack by its chassis", `<os><smbios mode='sysinfo'/></os><sysinfo type='smbios'><chassis><entry name='asset'>OpenStack Nova</entry></chassis></sysinfo>`, OpenStack},
		{"much like OpenStack", system("product", "OpenStack Novel"), None},
		{"a clone", system("serial", "srv-1.brightbox.com"), EC2Clone},
		{"not in force", `<os/><sysinfo type='smbios'><system><entry name='product'>OpenStack Nova</entry></system></sysinfo>`, None},
		{"another kind of sysinfo", `<os><smbios mode='sysinfo'/></os><sysinfo type='fwcfg'><system><entry name='product'>OpenStack Nova</entry></system></sysinfo>`, None},
	}
	for _, tt := range tests {
		got, why := parse(t, domain(awsID, tt.elements)).Datasource()
		if got != tt.want || (got == None) == (why == "") {
			t.Errorf("%s: %q (%q), want %q", tt.name, got, why, tt.want)
		}
	}
}

// TestWhyNothing checks the reason why a guest detects no datasource, since each reason
// has its own remedy.
func TestWhyNothing(t *testing.T) {
	const product = `<sysinfo type='smbios'><system><entry name='product'>x</entry></system></sysinfo>`
	for _, tt := range []struct{ uuid, elements, want string }{
		{otherID, `<os/>`, "its SMBIOS only names QEMU"},
		{awsID, `<os/>`, "its SMBIOS only names QEMU"},
		{otherID, `<os><smbios mode='emulate'/></os>`, "its SMBIOS only names QEMU"},
		{otherID, `<os><smbios mode='host'/></os>`, "its SMBIOS is a copy of this host's"},
		{otherID, `<os/>` + product, "its <sysinfo> has no effect without <smbios mode='sysinfo'/>"},
		{otherID, `<os><smbios mode='host'/></os>` + product, "its <sysinfo> has no effect without <smbios mode='sysinfo'/>"},
		{otherID, `<os><smbios mode='sysinfo'/></os>` + product, "its SMBIOS names no datasource"},
		{awsID, `<os><smbios mode='sysinfo'/></os>` + product, "its UUID begins with ec2, but its serial number differs, and cloud-init before 24.2 needs both"},
	} {
		if got, why := parse(t, domain(tt.uuid, tt.elements)).Datasource(); got != None || why != tt.want {
			t.Errorf("%s %s: %q, %q, want %q", tt.uuid, tt.elements, got, why, tt.want)
		}
	}
}

func TestLookOf(t *testing.T) {
	plain := func(uuid string) Domain { return Domain{UUID: uuid} }
	mainframe := plain(otherID)
	mainframe.OSType.Arch = "s390x"
	required, off := server, server
	required.Only, off.Tokens = true, false
	tests := []struct {
		name       string
		datasource Datasource
		domain     Domain
		server     Server
		want       string // the entry's value, or part of the error
	}{
		{"OpenStack", OpenStack, plain(otherID), server, "OpenStack Nova"},
		{"NoCloud", NoCloud, plain(otherID), server, "ds=nocloud;s=http://169.254.169.254/nocloud/;dsmode=net"},
		{"NoCloud by its older name", NoCloudNet, plain(otherID), server, "ds=nocloud-net;s=http://169.254.169.254/nocloud/"},
		{"NoCloud at another port", NoCloud, plain(otherID), Server{Address: server.Address, Port: 8775}, "ds=nocloud;s=http://169.254.169.254:8775/nocloud/;dsmode=net"},
		{"NoCloud by IPv6", NoCloud, plain(otherID), Server{Address: netip.MustParseAddr("fd00:ec2::254"), Port: 80}, "ds=nocloud;s=http://[fd00:ec2::254]/nocloud/;dsmode=net"},
		{"NoCloud by IPv6 at another port", NoCloudNet, plain(otherID), Server{Address: netip.MustParseAddr("fd00:ec2::254"), Port: 8775}, "ds=nocloud-net;s=http://[fd00:ec2::254]:8775/nocloud/"},
		{"AWS", EC2, plain(strings.ToUpper(awsID)), server, awsID},
		{"AWS with another UUID", EC2, plain(otherID), server, "does not begin with ec2"},
		{"AWS without tokens", EC2, plain(awsID), off, "imds = off"},
		{"a clone", EC2Clone, plain(otherID), server, "e24cloud"},
		{"a clone where tokens are required", EC2Clone, plain(otherID), required, "but imds requires them"},
		{"a mainframe", OpenStack, mainframe, server, "no SMBIOS"},
		{"nothing of ours", "azure", plain(otherID), server, `datasource "azure"; choose one of openstack, nocloud, ec2, ec2-clone, nocloud-net`},
	}
	for _, tt := range tests {
		look, err := LookOf(tt.datasource, tt.domain, tt.server)
		got := look.entry.Value
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) || (err == nil) != (got == tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRecommend(t *testing.T) {
	clone := `<os><smbios mode='sysinfo'/></os><sysinfo type='smbios'><system><entry name='manufacturer'>e24cloud</entry></system></sysinfo>`
	off := server
	off.Tokens = false
	tests := []struct {
		name, definition string
		server           Server
		want             Datasource
	}{
		{"plain QEMU", domain(otherID, `<os/>`), server, OpenStack},
		{"plain QEMU with AWS's UUID", domain(awsID, `<os/>`), server, EC2},
		{"the same where there are no tokens", domain(awsID, `<os/>`), off, OpenStack},
		{"what it is already", domain(otherID, clone), server, EC2Clone},
		{"NoCloud by its older name already", domain(otherID, strings.NewReplacer("manufacturer", "serial", "e24cloud", "ds=nocloud-net;s=http://x/").Replace(clone)), server, NoCloudNet},
		{"what it was meant to be", domain(otherID, strings.Replace(clone, "sysinfo", "emulate", 1)), server, EC2Clone},
	}
	for _, tt := range tests {
		if got := Recommend(parse(t, tt.definition), tt.server); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A guest that gets a look is taken for what it shows, whatever it showed
// before, and all else in its definition stays.
func TestApply(t *testing.T) {
	const (
		mode  = `<smbios mode='sysinfo'/>`
		board = `<baseBoard><entry name='product'>OpenStack Nova</entry></baseBoard>`
		fwcfg = `<sysinfo type='fwcfg'><entry name='opt/x'>serial</entry></sysinfo>`
	)
	starts := []struct{ name, elements string }{
		{"plain QEMU", `<os><type>hvm</type><boot dev='hd'/></os>`},
		{"tables not in force", `<sysinfo type='smbios'><bios><entry name='vendor'>LENOVO</entry></bios></sysinfo><os></os>`},
		{"the host's tables", `<os><smbios mode="host"/></os>`},
		{"empty elements", `<sysinfo type='smbios'/><os/>`},
		{"an empty table", `<sysinfo type="smbios"><system/></sysinfo><os>` + mode + `</os>`},
		{"entries of the owner's", `<sysinfo type='smbios'><system><entry name='serial'>A &amp; B</entry><entry name='version'>7</entry></system>` + board + `</sysinfo>` + fwcfg + `<os>` + mode + `</os>`},
		{"OpenStack twice", `<sysinfo type='smbios'><system><entry name='product'>OpenStack Compute</entry></system><chassis><entry name='asset'>OpenStack Nova</entry></chassis></sysinfo><os>` + mode + `</os>`},
		{"NoCloud", `<sysinfo type='smbios'><system><entry name='serial'>ds=nocloud;s=http://x/</entry></system></sysinfo><os>` + mode + `</os>`},
		{"AWS", `<sysinfo type='smbios'><system><entry name='uuid'>` + awsID + `</entry><entry name='serial'>` + awsID + `</entry></system></sysinfo><os>` + mode + `</os>`},
		{"a clone", `<sysinfo type='smbios'><system><entry name='manufacturer'>e24cloud</entry></system></sysinfo><os>` + mode + `</os>`},
	}
	for _, start := range starts {
		for _, datasource := range Datasources() {
			definition := domain(awsID, start.elements)
			look, err := LookOf(datasource, parse(t, definition), server)
			if err != nil {
				t.Fatal(err)
			}
			changed, changes, err := look.Apply(definition)
			if err != nil {
				t.Fatal(err)
			}
			if got, why := parse(t, changed).Datasource(); got != datasource {
				t.Errorf("%s as %s is taken for %q (%s):\n%s", start.name, datasource, got, why, changed)
			}
			again, more, err := look.Apply(changed)
			if err != nil || again != changed || len(more) != 0 {
				t.Errorf("%s as %s is changed once more by %v (%v)", start.name, datasource, more, err)
			}
			if (changed == definition) != (len(changes) == 0) {
				t.Errorf("%s as %s: changes %v in\n%s", start.name, datasource, changes, changed)
			}
			for gone, of := range map[string]Datasource{
				"<entry name='serial'>" + awsID: EC2, "e24cloud": EC2Clone, "OpenStack Compute": None, "<entry name='asset'>OpenStack Nova": None, "s=http://x/": None,
			} {
				if datasource != of && strings.Contains(changed, gone) {
					t.Errorf("%s as %s still has %s:\n%s", start.name, datasource, gone, changed)
				}
			}
			for _, kept := range []string{board, fwcfg, "<entry name='version'>7</entry>", "<boot dev='hd'/>", "LENOVO", "<entry name='uuid'>"} {
				if strings.Contains(definition, kept) && !strings.Contains(changed, kept) {
					t.Errorf("%s as %s has lost %s:\n%s", start.name, datasource, kept, changed)
				}
			}
		}
	}
}

func TestApplyTellsWhatItChanges(t *testing.T) {
	definition := domain(otherID, `  <sysinfo type='smbios'><system><entry name='serial'>4711</entry><entry name='manufacturer'>e24cloud</entry></system></sysinfo>
  <os>
    <type arch='x86_64'>hvm</type>
  </os>
`)
	look, err := LookOf(NoCloud, parse(t, definition), server)
	if err != nil {
		t.Fatal(err)
	}
	changed, changes, err := look.Apply(definition)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, c := range changes {
		texts = append(texts, c.String())
	}
	want := []string{
		`os/smbios mode: "sysinfo"`,
		`system serial: "4711" becomes "ds=nocloud;s=http://169.254.169.254/nocloud/;dsmode=net"`,
		`system manufacturer: "e24cloud" is removed`,
	}
	if !slices.Equal(texts, want) {
		t.Errorf("changes %q, want %q", texts, want)
	}
	wantText := domain(otherID, `  <sysinfo type='smbios'><system><entry name='serial'>ds=nocloud;s=http://169.254.169.254/nocloud/;dsmode=net</entry></system></sysinfo>
  <os>
    <type arch='x86_64'>hvm</type>
  <smbios mode='sysinfo'/></os>
`)
	if changed != wantText {
		t.Errorf("the definition is\n%s\nwant\n%s", changed, wantText)
	}
	for _, bad := range []string{"", "<domain>", "<domain/>", "<os/>", "</os>"} {
		if _, _, err := look.Apply(bad); err == nil {
			t.Errorf("%q was changed", bad)
		}
	}
}

// FuzzApply: whatever a definition holds, a look is put on it or it is refused.
func FuzzApply(f *testing.F) {
	f.Add(domain(otherID, `<os><type>hvm</type></os>`))
	f.Add(domain(awsID, `<sysinfo type='smbios'><system/></sysinfo><os><smbios mode="host"/></os>`))
	f.Add(`<a><os/></a>`)
	f.Fuzz(func(t *testing.T, definition string) {
		d, err := Parse(definition)
		if err != nil {
			return
		}
		look, err := LookOf(OpenStack, d, server)
		if err != nil {
			return
		}
		changed, _, err := look.Apply(definition)
		if err != nil {
			return
		}
		if _, err := Parse(changed); err != nil {
			t.Errorf("%q became %q: %v", definition, changed, err)
		}
	})
}

// TestDenies: where tokens are required, a datasource whose cloud-init sends none must
// be exempt.
func TestDenies(t *testing.T) {
	for _, tt := range []struct {
		exempt []string
		denied []Datasource
	}{
		{nil, []Datasource{OpenStack, NoCloud, NoCloudNet, EC2Clone}},
		{[]string{"openstack"}, []Datasource{NoCloud, NoCloudNet, EC2Clone}},
		{[]string{"nocloud"}, []Datasource{OpenStack, EC2Clone}},
		{[]string{"openstack", "nocloud"}, []Datasource{EC2Clone}},
	} {
		for _, datasource := range append(Datasources(), None) {
			want := slices.Contains(tt.denied, datasource)
			if got := (Server{Only: true, Exempt: tt.exempt}).Denies(datasource); got != want {
				t.Errorf("with %v exempt, %q is denied: %v", tt.exempt, datasource, got)
			}
			if (Server{Exempt: tt.exempt}).Denies(datasource) {
				t.Errorf("%q is denied where tokens are optional", datasource)
			}
		}
	}
}

// TestServerFor checks that a guest's own metadata overrides the configuration.
func TestServerFor(t *testing.T) {
	for _, tt := range []struct {
		imds         string
		exempt       []string
		own          map[string]string
		tokens, only bool
		want         []string // the datasources that need no token
	}{
		{"off", nil, nil, false, false, nil},
		{"optional", []string{"nocloud"}, nil, true, false, []string{"nocloud"}},
		{"required", []string{"nocloud"}, nil, true, true, []string{"nocloud"}},
		{"required", []string{"nocloud"}, map[string]string{"imds": "off"}, false, false, []string{"nocloud"}},
		{"off", nil, map[string]string{"imds": "required", "imds_exempt": "openstack"}, true, true, []string{"openstack"}},
		{"required", []string{"nocloud"}, map[string]string{"imds_exempt": "openstack"}, true, true, []string{"openstack"}},
	} {
		cfg := config.Default()
		cfg.Server.IMDS, cfg.Server.IMDSExempt, cfg.Server.Port = tt.imds, tt.exempt, 8775
		got := ServerFor(cfg, instance.Metadata{Values: tt.own})
		if got.Tokens != tt.tokens || got.Only != tt.only || !slices.Equal(got.Exempt, tt.want) || got.Port != 8775 || got.Address != cfg.Server.ListenAddress {
			t.Errorf("imds %s, %v exempt, metadata %v: %+v", tt.imds, tt.exempt, tt.own, got)
		}
	}
}

// TestMoves checks that a guest moves if it changes to or from OpenStack, which has an
// instance-id of its own. A guest that detects no datasource was not set up.
func TestMoves(t *testing.T) {
	for _, from := range append(Datasources(), None) {
		for _, to := range Datasources() {
			want := from != None && from != to && (from == OpenStack || to == OpenStack)
			if got := Moves(from, to); got != want {
				t.Errorf("from %q to %q: %v", from, to, got)
			}
		}
	}
}
