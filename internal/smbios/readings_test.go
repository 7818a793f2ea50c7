package smbios

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// swappedID begins with ec2 if its first four bytes are read backwards.
const swappedID = "45e12aec-dcd1-4213-94ed-012345abcdef"

// What releases of cloud-init take a guest for, by UUID and by what else its
// SMBIOS says. docs/reference/images.md has the same table.
func TestReadings(t *testing.T) {
	system := func(entries ...string) string {
		var b strings.Builder
		for i := 0; i+1 < len(entries); i += 2 {
			fmt.Fprintf(&b, "<entry name='%s'>%s</entry>", entries[i], entries[i+1])
		}
		return "<os><smbios mode='sysinfo'/></os><sysinfo type='smbios'><system>" + b.String() + "</system></sysinfo>"
	}
	const mainframe = "<os><type arch='s390x'>hvm</type></os>"
	tests := []struct {
		uuid, elements string
		older, newer   Datasource
		row            string // of the documentation, if it is there
	}{
		{awsID, `<os/>`, None, EC2, "nothing else"},
		{awsID, system("serial", awsID), EC2, EC2, "serial number the same"},
		{awsID, system("product", "OpenStack Nova"), OpenStack, EC2, "product `OpenStack Nova`"},
		{awsID, system("manufacturer", "e24cloud"), EC2Clone, EC2, "manufacturer `e24cloud`"},
		{awsID, system("serial", "ds=nocloud;s=http://x/;dsmode=net"), NoCloud, NoCloud, "serial number `ds=nocloud;…`"},
		{awsID, system("serial", "ds=nocloud-net;s=http://x/", "product", "OpenStack Nova"), NoCloudNet, NoCloudNet, ""},
		{awsID, `<os><cmdline>ds=nocloud;s=http://x/;dsmode=net</cmdline></os>`, NoCloud, NoCloud, ""},
		{awsID, system("serial", strings.ToUpper(awsID), "product", "OpenStack Nova"), OpenStack, EC2, ""},
		{strings.ToUpper(awsID), system("product", "OpenStack Nova"), OpenStack, EC2, ""},
		{awsID, mainframe, None, None, ""},

		{swappedID, `<os/>`, None, EC2, ""},
		{swappedID, system("product", "OpenStack Nova"), OpenStack, EC2, ""},
		{swappedID, system("serial", "ds=nocloud;s=http://x/;dsmode=net"), NoCloud, NoCloud, ""},

		{otherID, `<os/>`, None, None, ""},
		{otherID, system("product", "OpenStack Nova"), OpenStack, OpenStack, ""},
		{"45e13aec-dcd1-4213-94ed-012345abcdef", system("product", "OpenStack Nova"), OpenStack, OpenStack, ""},
		{"no UUID", system("product", "OpenStack Nova"), OpenStack, OpenStack, ""},
	}
	docs, err := os.ReadFile("../../docs/reference/images.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		d := parse(t, domain(tt.uuid, tt.elements))
		readings := d.Readings()
		last := readings[len(readings)-1]
		if readings[0].Datasource != tt.older || last.Datasource != tt.newer || len(readings) == 2 && last.Since != byUUID || len(readings) > 2 {
			t.Errorf("%s %s is taken for %+v, want %q, then %q", tt.uuid, tt.elements, readings, tt.older, tt.newer)
		}
		differ := tt.older != tt.newer
		if (len(d.Readers()) > 0) != differ {
			t.Errorf("%s %s: %q", tt.uuid, tt.elements, d.Readers())
		}
		if caution := Caution(tt.older, d, Server{}); (caution != "") != differ && (tt.older == OpenStack || tt.older == EC2Clone) {
			t.Errorf("%s %s as %q: the caution is %q", tt.uuid, tt.elements, tt.older, caution)
		}
		if row := fmt.Sprintf("| %s | %s | %s |", tt.row, inDocs(tt.older), inDocs(tt.newer)); tt.row != "" && !strings.Contains(string(docs), row) {
			t.Errorf("docs/reference/images.md has no row %s", row)
		}
	}
}

// A seed that is fetched needs its mode for older releases, and no other does.
func TestReadersOfSeeds(t *testing.T) {
	for seed, want := range map[string]bool{
		"ds=nocloud;s=http://169.254.169.254/nocloud/":            true,
		"ds=nocloud;h=web1;s=https://x/":                          true,
		"ds=nocloud;s=http://169.254.169.254/nocloud/;dsmode=net": false,
		"ds=nocloud;dsmode=net;s=http://169.254.169.254/nocloud/": false,
		"ds=nocloud-net;s=http://169.254.169.254/nocloud/":        false,
		"ds=nocloud;s=file:///seed/":                              false,
		"ds=nocloud":                                              false,
	} {
		for _, elements := range []string{
			"<os><smbios mode='sysinfo'/></os><sysinfo type='smbios'><system><entry name='serial'>" + seed + "</entry></system></sysinfo>",
			"<os><cmdline>quiet " + seed + " net.ifnames=0</cmdline></os>",
		} {
			if got := parse(t, domain(otherID, elements)).Readers(); (len(got) > 0) != want {
				t.Errorf("%s: %q", elements, got)
			}
		}
	}
}

func inDocs(f Datasource) string {
	if f == None {
		return "none"
	}
	return f.Title()
}
