package libvirt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"mdserver/internal/instance"
)

func mac(t *testing.T, s string) instance.MAC {
	t.Helper()
	m, err := instance.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseDomainReadsWhatVirshPrints(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "running.xml"))
	if err != nil {
		t.Fatal(err)
	}
	want := instance.Domain{
		Name: "web1",
		UUID: uuid.MustParse("7e5a544d-d555-4133-a443-8229415be7ab"),
		Interfaces: []instance.Interface{
			{MAC: mac(t, "52:54:00:aa:00:99"), Network: "default", Bridge: "virbr0", Target: "vnet0", Model: "virtio"},
			{MAC: mac(t, "52:54:00:09:00:ab"), Network: "mds", Bridge: "br-mds", Target: "vnet1", Model: "virtio", MTU: 9000},
			{MAC: mac(t, "52:54:00:bb:00:99"), Bridge: "br0", Target: "vnet2", Model: "virtio"},
		},
		Disks: []instance.Disk{
			{Target: "vda", Bus: "virtio", Device: "disk"},
			{Target: "vdb", Bus: "virtio", Device: "disk", Serial: "data"},
			{Target: "sda", Bus: "sata", Device: "cdrom"},
		},
		Metadata: instance.Metadata{
			Values: map[string]string{
				"userdata_prefix": "special", "hostname": "www", "ipv4": "10.122.0.80", "rack": "four",
			},
			Tags: map[string]string{"role": "web", "env": "prod", "bare": ""},
		},
		Hardware: instance.Hardware{VCPUs: 2, Memory: 2 << 30, Arch: "x86_64"},
	}
	for name, input := range map[string][]byte{
		"as a file":        data,
		"as curl -d sends": []byte(strings.NewReplacer("\n", "", "\r", "").Replace(string(data))),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseDomain(input)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// domain wraps parts of a definition into a whole one.
func domain(parts string) string {
	return `<domain type='kvm'><name>web1</name><uuid>7e5a544d-d555-4133-a443-8229415be7ab</uuid>` + parts + `</domain>`
}

func TestParseDomainMetadata(t *testing.T) {
	tests := []struct {
		name, xml string
		want      instance.Metadata
	}{
		{"none", "", instance.Metadata{}},
		{
			"the original's single key, namespace on metadata",
			`<metadata xmlns:mdserver="urn:md_server:domain_metadata"><mdserver:userdata_prefix>special</mdserver:userdata_prefix></metadata>`,
			instance.Metadata{Values: map[string]string{"userdata_prefix": "special"}},
		},
		{
			"any prefix, namespace on the element",
			`<metadata><x:hostname xmlns:x="urn:md_server:domain_metadata"> www </x:hostname></metadata>`,
			instance.Metadata{Values: map[string]string{"hostname": "www"}},
		},
		{
			"a container with keys and tags",
			`<metadata><m:instance xmlns:m="urn:md_server:domain_metadata"><m:ipv4>10.122.0.9</m:ipv4><m:tags>a=1, b</m:tags></m:instance></metadata>`,
			instance.Metadata{Values: map[string]string{"ipv4": "10.122.0.9"}, Tags: map[string]string{"a": "1", "b": ""}},
		},
		{
			"tags as elements",
			`<metadata><m:tags xmlns:m="urn:md_server:domain_metadata"><m:tag name="role of it">web</m:tag><m:env>prod</m:env></m:tags></metadata>`,
			instance.Metadata{Tags: map[string]string{"role of it": "web", "env": "prod"}},
		},
		{
			"attributes that curl -d has joined",
			`<metadata><m:rack xmlns:m="urn:md_server:domain_metadata"unit="u">4</m:rack></metadata>`,
			instance.Metadata{Values: map[string]string{"rack": "4"}},
		},
		{
			"others' metadata is none of ours",
			`<metadata><nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"><nova:hostname>no</nova:hostname></nova:instance></metadata>`,
			instance.Metadata{},
		},
		{
			"metadata without a namespace is ignored",
			`<metadata><hostname>no</hostname><tags>no=1</tags><c xmlns:m="urn:md_server:domain_metadata"><m:hostname>no</m:hostname></c></metadata>`,
			instance.Metadata{},
		},
		{
			"an attribute in another namespace is not a tag's name",
			`<metadata xmlns:o="http://example.org/"><m:tags xmlns:m="urn:md_server:domain_metadata"><m:role o:name="no">web</m:role></m:tags></metadata>`,
			instance.Metadata{Tags: map[string]string{"role": "web"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseDomain([]byte(domain(tt.xml)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Metadata); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseDomainWarnsOfOddMetadata(t *testing.T) {
	tests := []struct{ name, xml, want string }{
		{"nested", `<m:c><m:network><m:ip>10.0.0.1</m:ip></m:network></m:c>`, `<ip> within <network> is ignored: a value is text only`},
		{"text in a container", `<m:c>web<m:rack>4</m:rack></m:c>`, `the text "web" in <c> is ignored, because the element contains others`},
		{"a value as an attribute", `<m:userdata_prefix name="web"/>`, `the attribute "name" of <userdata_prefix> is ignored: write <userdata_prefix>value</userdata_prefix>`},
		{"twice", `<m:c><m:rack>4</m:rack><m:rack>5</m:rack></m:c>`, `<rack> occurs twice: "4" is ignored`},
		{"tags twice", `<m:c><m:tags>a</m:tags><m:tags>b</m:tags></m:c>`, `<tags> occurs twice: the first is ignored`},
		{"one tag twice", `<m:tags><m:a>1</m:a><m:a>2</m:a></m:tags>`, `the tag "a" occurs twice: "1" is ignored`},
		{"tags without names", `<m:tags><m:tag>1</m:tag><m:tag>2</m:tag></m:tags>`, `the tag "tag" occurs twice: "1" is ignored`},
		{"text beside tags", `<m:tags>a=1<m:b>2</m:b></m:tags>`, `the text "a=1" in <tags> is ignored, because the element contains others`},
		{"elements in a tag", `<m:tags><m:a><m:b>2</m:b></m:a></m:tags>`, `<b> within the tag "a" is ignored: a value is text only`},
		{"tags by semicolons", `<m:tags>a=1; b=2</m:tags>`, `the tag "a" has the value "1; b=2": commas separate tags`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseDomain([]byte(domain(`<metadata xmlns:m="` + MetadataNamespace + `">` + tt.xml + `</metadata>`)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.want}, got.Metadata.Warnings); diff != "" {
				t.Error(diff)
			}
		})
	}
	many, err := ParseDomain([]byte(domain(`<metadata xmlns:m="` + MetadataNamespace + `"><m:c>` + strings.Repeat(`<m:a>1</m:a>`, 100) + `</m:c></metadata>`)))
	if err != nil || len(many.Metadata.Warnings) != maxWarnings {
		t.Errorf("%d warnings, %v; want %d", len(many.Metadata.Warnings), err, maxWarnings)
	}
}

func TestParseDomainAcceptsEveryNameOfLibvirt(t *testing.T) {
	names := []string{
		"web 1", "a,b", `q"u'o`, "..", ".", "Grüße-東京", strings.Repeat("x", 255),
		"$(reboot)", "`id`", "a;b|c&d", "52:54:00:00:00:01,10.0.0.1", "#x", "-x", "[x]", "id:*", "tab\there", " ", " web1 ",
	}
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;")
	for _, name := range names {
		d, err := ParseDomain([]byte(strings.Replace(domain(""), "web1", escape.Replace(name), 1)))
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if d.Name != name {
			t.Errorf("name %q was read as %q", name, d.Name)
		}
	}
}

func TestParseDomainAcceptsWhatEditorsWrite(t *testing.T) {
	for _, before := range []string{"\ufeff", `<?xml version="1.0" encoding="utf-8"?>`, "\ufeff<?xml version='1.0'?>\n", `<?xml version="1.0" encoding="US-ASCII"?>`} {
		if d, err := ParseDomain([]byte(before + domain(""))); err != nil || d.Name != "web1" {
			t.Errorf("after %q: %q, %v", before, d.Name, err)
		}
	}
}

func TestParseDomainRefuses(t *testing.T) {
	tests := []struct{ name, xml, want string }{
		{"nothing", " \n", "empty"},
		{"no XML", "hello", "not XML"},
		{"another document", "<network><name>x</name></network>", "<network>, not <domain>"},
		{"another namespace", `<domain xmlns="urn:x"/>`, "not <domain>"},
		{"only a comment", "<!-- -->", "unexpected EOF"},
		{"cut short", domain("")[:60], "unexpected EOF"},
		{"mismatched", "<domain><name>x</nome></domain>", "broken XML"},
		{"two documents", domain("") + domain(""), "second element"},
		{"text after it", domain("") + "x", "text follows"},
		{"another encoding", `<?xml version="1.0" encoding="ISO-8859-1"?>` + domain(""), `encoding "ISO-8859-1", accepted: UTF-8`},
		{"an entity", domain("<description>&xxe;</description>"), "broken XML"},
		{"no name", "<domain><uuid>7e5a544d-d555-4133-a443-8229415be7ab</uuid></domain>", "no name"},
		{"empty name", strings.Replace(domain(""), "web1", "", 1), "no name"},
		{"slash", strings.Replace(domain(""), "web1", "a/b", 1), "slash"},
		{"newline", strings.Replace(domain(""), "web1", "a&#10;b", 1), "line break"},
		{"no uuid", "<domain><name>x</name></domain>", "no <uuid>"},
		{"the nil uuid", "<domain><name>x</name><uuid>00000000-0000-0000-0000-000000000000</uuid></domain>", "is not a UUID"},
		{"bad uuid", "<domain><name>x</name><uuid>7</uuid></domain>", `"7" is not a UUID`},
		{"no mac", domain("<devices><interface type='network'><source network='mds'/></interface></devices>"), "interface 1 has no <mac>"},
		{"bad mac", domain("<devices><interface type='network'><mac address='x'/></interface></devices>"), "interface 1"},
		{"bad mtu", domain("<devices><interface type='network'><mac address='52:54:00:09:00:01'/><mtu size='big'/></interface></devices>"), "<mtu>"},
		{"bad vcpu", domain("<vcpu>two</vcpu>"), "<vcpu>"},
		{"bad memory", domain("<memory>-1</memory>"), "<memory>"},
		{"bad unit", domain("<memory unit='firkin'>1</memory>"), "firkin"},
		{"huge memory", domain("<memory unit='TiB'>99999999999</memory>"), "too large"},
		{"bad host name", domain(`<metadata><m:hostname xmlns:m="urn:md_server:domain_metadata">a b</m:hostname></metadata>`), "not a host name"},
		{"bad address", domain(`<metadata><m:ipv4 xmlns:m="urn:md_server:domain_metadata">10.1</m:ipv4></metadata>`), "not an IPv4 address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseDomain([]byte(tt.xml))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
		})
	}
	largest := domain("")
	largest += strings.Repeat(" ", MaxDomainXML-len(largest))
	if _, err := ParseDomain([]byte(largest)); err != nil {
		t.Errorf("a definition of %d bytes: %v", len(largest), err)
	}
	if _, err := ParseDomain([]byte(largest + " ")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

// TestParseDomainMemoryUnits checks libvirt's units, in upper and lower case. Without a
// unit, the number is in KiB.
func TestParseDomainMemoryUnits(t *testing.T) {
	tests := map[string]uint64{
		"<memory>1024</memory>":              1 << 20,
		"<memory unit='b'>4096</memory>":     4096,
		"<memory unit='bytes'>4096</memory>": 4096,
		"<memory unit='KB'>3</memory>":       3e3,
		"<memory unit='k'>3</memory>":        3 << 10,
		"<memory unit='KiB'>1</memory>":      1 << 10,
		"<memory unit='MB'>3</memory>":       3e6,
		"<memory unit='M'>3</memory>":        3 << 20,
		"<memory unit='MiB'>768</memory>":    768 << 20,
		"<memory unit='GB'>2</memory>":       2e9,
		"<memory unit='G'>2</memory>":        2 << 30,
		"<memory unit='GiB'>2</memory>":      2 << 30,
		"<memory unit='TB'>2</memory>":       2e12,
		"<memory unit='T'>2</memory>":        2 << 40,
		"<memory unit='TiB'>2</memory>":      2 << 40,
	}
	if len(tests) != len(units) {
		t.Errorf("%d units are tested, want %d", len(tests), len(units))
	}
	for xml, want := range tests {
		d, err := ParseDomain([]byte(domain(xml)))
		if err != nil || d.Memory != want {
			t.Errorf("%s: %d bytes (%v), want %d", xml, d.Memory, err, want)
		}
	}
}

// A drive without a target, as an empty one of a host device, has no name that a guest
// could find it by.
func TestParseDomainDisks(t *testing.T) {
	d, err := ParseDomain([]byte(domain(`<devices><disk device='cdrom'/><disk><target dev='vda' bus='virtio'/><serial> data </serial></disk></devices>`)))
	want := []instance.Disk{{Target: "vda", Bus: "virtio", Device: "disk", Serial: "data"}}
	if diff := cmp.Diff(want, d.Disks); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func FuzzParseDomain(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "running.xml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(domain(`<metadata><m:tags xmlns:m="urn:md_server:domain_metadata">a=b</m:tags></metadata>`)))
	f.Add([]byte("<domain><name>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseDomain(data)
		if err != nil {
			return
		}
		if instance.ValidateName(d.Name) != nil || d.UUID == uuid.Nil {
			t.Errorf("accepted a domain without a proper name or UUID: %+v", d)
		}
	})
}

func TestParseDomainTargets(t *testing.T) {
	for target, want := range map[string]string{
		"vnet12":           "vnet12",
		"tap.web-1":        "tap.web-1",
		"":                 "",
		"..":               "",
		"a/b":              "",
		"br0:1":            "",
		"two words":        "",
		"fifteenletters1":  "fifteenletters1",
		"sixteencharacter": "",
		"v\u202enet":       "",
	} {
		d, err := ParseDomain([]byte(domain(`<devices><interface type='bridge'><mac address='52:54:00:00:00:01'/>` +
			`<source bridge='br0'/><target dev='` + target + `'/></interface></devices>`)))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Interfaces[0].Target; got != want {
			t.Errorf("target %q is read as %q, want %q", target, got, want)
		}
	}
}
