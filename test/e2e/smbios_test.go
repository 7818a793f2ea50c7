//go:build e2e

package e2e

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// dressed is a domain with things that must not be lost when it is changed.
const dressed = `<domain type='qemu'><name>a guest</name><uuid>ec2a544d-d555-4133-a443-8229415c0001</uuid>
  <metadata><mdserver:domain xmlns:mdserver="urn:md_server:domain_metadata"><mdserver:role>web</mdserver:role></mdserver:domain></metadata>
  <memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <sysinfo type='smbios'><system><entry name='version'>7</entry></system><oemStrings><entry>ours</entry></oemStrings></sysinfo>
  <os><type arch='x86_64' machine='pc'>hvm</type><bootmenu enable='yes'/></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='network'><mac address='52:54:00:5c:00:01'/><source network='mds'/></interface>
    <graphics type='vnc' port='-1' passwd='secret'/><memballoon model='none'/>
  </devices>
</domain>`

// A domain is dressed up as each cloud in turn, through libvirt; nothing else
// of it changes, and mdserver says what it will mean.
func TestSMBIOS(t *testing.T) {
	t.Parallel()
	h := newHost(t, false, true)
	h.virsh("define", h.file(dressed))
	explained := command(t, h.server, "smbios", "a guest")
	contains(t, "the explanation", explained, "a guest detects no datasource", "openstack\n", "ec2 (recommended)", "--apply")

	before := h.apartFromSMBIOS("a guest")
	contains(t, "the definition", before, "passwd='secret'", "role>web<")
	for _, datasource := range []struct{ as, entry string }{
		{"", "<entry name='serial'>ec2a544d-d555-4133-a443-8229415c0001</entry>"},
		{"nocloud", "<entry name='serial'>ds=nocloud;s=http://169.254.169.254/nocloud/;dsmode=net</entry>"},
		{"nocloud-net", "<entry name='serial'>ds=nocloud-net;s=http://169.254.169.254/nocloud/</entry>"},
		{"ec2-clone", "<entry name='manufacturer'>e24cloud</entry>"},
		{"openstack", "<entry name='product'>OpenStack Nova</entry>"},
	} {
		args := []string{"smbios", "a guest", "--apply", "--yes"}
		if datasource.as != "" {
			args = append(args, "--as", datasource.as)
		}
		contains(t, "what is said of "+datasource.as, command(t, h.server, args...), "a guest will detect")
		now := h.virsh("dumpxml", "--inactive", "a guest")
		contains(t, "the definition as "+datasource.as, now, datasource.entry, "<smbios mode='sysinfo'/>", "<entry name='version'>7</entry>", "<entry>ours</entry>")
		if n := strings.Count(now, "<entry name="); n != 2 {
			t.Errorf("as %s there are %d entries:\n%s", datasource.as, n, now)
		}
		equal(t, "the definition apart from its SMBIOS", h.apartFromSMBIOS("a guest"), before)
	}
	contains(t, "the explanation", command(t, h.server, "smbios", "ec2a544d-d555-4133-a443-8229415c0001"), "detects OpenStack", "openstack (recommended)",
		"cloud-init from 24.2 on detects AWS, because its UUID begins with ec2.")
	contains(t, "what is said the second time", command(t, h.server, "smbios", "a guest", "--apply"), "detects OpenStack already")
}

// smbiosXML is all that a definition says of SMBIOS.
var smbiosXML = regexp.MustCompile(`(?s)\s*(<sysinfo .*</sysinfo>|<smbios [^>]*/>)`)

func (h *host) apartFromSMBIOS(name string) string {
	h.t.Helper()
	return smbiosXML.ReplaceAllString(h.virsh("dumpxml", "--inactive", "--security-info", name), "")
}

// What cannot be done is refused, with what to do instead, and changes nothing.
func TestSMBIOSRefusals(t *testing.T) {
	t.Parallel()
	h := newHost(t, false, true)
	h.virsh("define", h.file(machine("web1", 1, 1)))
	h.virsh("create", h.file(machine("passing", 2, 2)))
	command(t, h.server, "smbios", "web1", "--apply", "--as", "openstack")
	before := h.virsh("dumpxml", "--inactive", "web1")
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"libvirt has no domain \"nobody\"", []string{"nobody"}},
		{"is transient", []string{"passing", "--apply"}},
		{"does not begin with ec2", []string{"web1", "--as", "ec2", "--apply"}},
		{"choose one of openstack", []string{"web1", "--as", "azure"}},
		{"use --yes", []string{"web1", "--as", "nocloud", "--apply"}},
	} {
		out, err := h.server.Run(suite.ctx, nil, append([]string{"smbios"}, tt.args...)...)
		if err == nil {
			t.Errorf("smbios %v succeeded: %s", tt.args, out)
			continue
		}
		contains(t, "the error", err.Error(), tt.want)
	}
	equal(t, "the definition", h.virsh("dumpxml", "--inactive", "web1"), before)

	var doc struct {
		Datasource string `json:"face"`
		Choices    []struct {
			Datasource      string `json:"face"`
			Impossible, XML string
		}
	}
	if err := json.Unmarshal([]byte(command(t, h.server, "smbios", "web1", "--json")), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Datasource != "openstack" || len(doc.Choices) != 5 || doc.Choices[2].Datasource != "ec2" || doc.Choices[2].Impossible == "" {
		t.Errorf("JSON tells %+v", doc)
	}
}
