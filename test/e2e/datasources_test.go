//go:build e2e

package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
)

// vendorData is the site's own template, vendordata_template.
const vendorData = `#cloud-config
bootcmd:
  - mkdir -p /var/lib/lab
  - echo "vendor-data of {{hostname}}" >/var/lib/lab/vendor
runcmd:
  - echo "the guest's own runcmd counts" >/var/lib/lab/vendor
`

// slowest is how long a guest may look for its metadata.
const slowest = 2 * time.Second

// ifupAgain is said of every Debian with ifupdown whose datasource is found
// after the network is up, whatever the metadata.
const ifupAgain = "stderr output: ifup: interface eth0 already configured"

// look is one way in which a guest is made to see a cloud.
type look struct {
	name       string
	firmware   func(guest shown) lab.Firmware
	source     string // in cloud-init's words
	instanceID func(guest shown) string
	vendor     bool     // has vendor-data
	ipv6       bool     // learns of its IPv6 address
	complaint  string   // of cloud-init about this look itself
	network    []string // in what cloud-init writes down
}

var looks = []look{
	{
		name: "AWS",
		firmware: func(shown) lab.Firmware {
			const id = "ec2e1916-9099-7caf-fd21-012345abcdef"
			return lab.Firmware{"product_uuid": id, "product_serial": id}
		},
		source:     "DataSourceEc2Local",
		instanceID: func(guest shown) string { return guest.InstanceID },
		ipv6:       true,
		network:    []string{"iface eth0 inet dhcp", "iface eth0 inet6 dhcp"},
	},
	{
		name: "OpenStack with a UUID of AWS's", // which this release does not mind
		firmware: func(guest shown) lab.Firmware {
			return lab.Firmware{"product_uuid": "ec2e1916-9099-7caf-fd21-012345abcdef", "product_name": "OpenStack Nova"}
		},
		source:     "DataSourceOpenStackLocal [net,ver=2]",
		instanceID: func(guest shown) string { return guest.UUID },
		vendor:     true,
		ipv6:       true,
		network:    []string{"iface eth0 inet static", "iface eth0 inet6 static"},
	},
	{
		name: "OpenStack",
		firmware: func(guest shown) lab.Firmware {
			return lab.Firmware{"product_uuid": guest.UUID, "product_name": "OpenStack Nova"}
		},
		source:     "DataSourceOpenStackLocal [net,ver=2]",
		instanceID: func(guest shown) string { return guest.UUID },
		vendor:     true,
		ipv6:       true,
		network: []string{"iface eth0 inet static", "iface eth0 inet6 static", "dns-nameservers " + lab.Gateway,
			"default gw " + lab.Gateway, "-host " + lab.MetadataAddr + "/32 gw " + lab.Gateway},
	},
	{
		name: "NoCloud",
		firmware: func(guest shown) lab.Firmware {
			return lab.Firmware{"product_uuid": guest.UUID,
				"product_serial": "ds=nocloud;s=http://" + lab.MetadataAddr + "/nocloud/;dsmode=net"}
		},
		source:     "DataSourceNoCloudNet [seed=dmi,http://" + lab.MetadataAddr + "/nocloud/][dsmode=net]",
		instanceID: func(guest shown) string { return guest.InstanceID },
		vendor:     true,
		network:    []string{"iface eth0 inet dhcp"}, // 22.4.2 does not ask for network-config
	},
	{
		name: "NoCloud by its older name",
		firmware: func(guest shown) lab.Firmware {
			return lab.Firmware{"product_uuid": guest.UUID,
				"product_serial": "ds=nocloud-net;s=http://" + lab.MetadataAddr + "/nocloud/"}
		},
		source:     "DataSourceNoCloudNet [seed=dmi,http://" + lab.MetadataAddr + "/nocloud/][dsmode=net]",
		instanceID: func(guest shown) string { return guest.InstanceID },
		vendor:     true,
		network:    []string{"iface eth0 inet dhcp"}, // 22.4.2 does not ask for network-config
	},
}

// Debian's own cloud-init finds out by the guest's firmware where its metadata
// comes from, and sets the guest up: every stage, no warning.
func TestCloudInitFindsItsDatasource(t *testing.T) {
	t.Parallel()
	bootLooks(t, chroot(t), looks)
}

// bootLooks boots a guest for each look, with the cloud-init of a root file system.
func bootLooks(t *testing.T, root string, looks []look) {
	t.Helper()
	for _, look := range looks {
		t.Run(look.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			if err := l.AddIPv6(suite.ctx); err != nil {
				t.Fatal(err)
			}
			vendor, err := l.WriteFile("vendor.yaml", vendorData)
			if err != nil {
				t.Fatal(err)
			}
			s := startServer(t, l, l.Config().Set("mdserver", "vendordata_template", vendor).
				Set("mdserver", "template_escape", "none").Set("dnsmasq", "net_address6", lab.Network6))
			web1 := registerWithParts(t, l, s, "base, script")
			guest, err := l.AddGuest(suite.ctx, web1.Name, web1.MAC)
			if err != nil {
				t.Fatal(err)
			}
			boot, err := guest.BootCloudInit(suite.ctx, root, look.firmware(web1))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("four stages in %s, datasource in %s", boot.Total, boot.Datasource)
			checkBoot(t, look, web1, boot)
			equal(t, "the instance-id by way of the new network", get(t, guest, "/latest/meta-data/instance-id"), web1.InstanceID)
		})
	}
}

// TestCloudInitAfterMove: a moment ago the guest's MAC was at another port of the bridge, as
// at an uplink before the guest moved here. cloud-init asks until it is answered.
func TestCloudInitAfterMove(t *testing.T) {
	t.Parallel()
	root := chroot(t)
	for _, look := range []look{looks[0], looks[2]} {
		t.Run(look.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := startServer(t, l, l.Config().Set("mdserver", "template_escape", "none"))
			web1 := registerWithParts(t, l, s, "base, script")
			elsewhere, err := l.AddGuest(suite.ctx, "uplink", web1.MAC)
			if err != nil {
				t.Fatal(err)
			}
			const untilContested = `ip -6 addr flush dev eth0 && ip addr add 10.122.0.77/16 dev eth0
				until grep -q contested=true "$0"; do ping -c 1 -W 1 "$1"; done`
			file := l.Path("log", "mdserver-file.log")
			if _, err := elsewhere.Start("elsewhere", nil, "sh", "-c", untilContested, file, lab.Gateway); err != nil {
				t.Fatal(err)
			}
			guest, err := l.AddGuest(suite.ctx, web1.Name, web1.MAC)
			if err == nil {
				err = guest.NamePort(suite.ctx)
			}
			if err != nil {
				t.Fatal(err)
			}
			boot, err := guest.BootCloudInit(suite.ctx, root, look.firmware(web1))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("datasource in %s", boot.Datasource)
			before, _, _ := strings.Cut(look.source, "Local") // a lost frame may delay it to the next stage
			contains(t, "the datasource", boot.Source, before)
			equal(t, "the instance-id", boot.InstanceID, look.instanceID(web1))
			log, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			contains(t, "the log", string(log), "contested=true")
		})
	}
}

// explains reports whether cloud-init has to complain in this way.
func (l look) explains(problem string) bool {
	return strings.Contains(problem, ifupAgain) || l.complaint != "" && strings.Contains(problem, l.complaint)
}

// registerWithParts registers web1 with a metadata key more.
func registerWithParts(t *testing.T, l *lab.Lab, s *lab.Server, parts string) shown {
	t.Helper()
	if _, err := l.WriteFile("userdata/script", "#!/bin/sh\necho \"a script of {{hostname}}\" >/var/lib/lab/script\n"); err != nil {
		t.Fatal(err)
	}
	xml, err := os.ReadFile(domainFile("web1"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.WriteFile("web1.xml", withMetadata(string(xml), "userdata_parts", parts))
	if err != nil {
		t.Fatal(err)
	}
	command(t, s, "instance", "add", file)
	return show(t, s, "web1")
}

// withMetadata adds a key of mdserver's to the metadata of a definition.
func withMetadata(xml, key, value string) string {
	const open, end = "<m:instance xmlns:m='urn:md_server:domain_metadata'>", "</m:instance></metadata>"
	return strings.Replace(xml, "</metadata>", open+"<m:"+key+">"+value+"</m:"+key+">"+end, 1)
}

func checkBoot(t *testing.T, look look, web1 shown, boot *lab.CloudInit) {
	t.Helper()
	equal(t, "the datasource", boot.Source, look.source)
	equal(t, "the instance-id", boot.InstanceID, look.instanceID(web1))
	equal(t, "the host name", boot.Hostname, "web1")
	for _, problem := range append(boot.Errors, boot.Warnings...) {
		if !look.explains(problem) {
			t.Error("cloud-init complains:", problem)
		}
	}
	checkStatus(t, look, boot)
	if boot.Datasource <= 0 || boot.Datasource > slowest {
		t.Errorf("the datasource took %s, want at most %s", boot.Datasource, slowest)
	}
	wants := map[string][]string{
		"home/debian/.ssh/authorized_keys":       {lab.KeyAlice, lab.KeyBob},
		"root/.ssh/authorized_keys":              {lab.KeyAlice, lab.KeyBob},
		"var/lib/lab/written":                    {"name web1\n", "address " + web1.IPv4.String() + "\n"},
		"var/lib/lab/ran":                        {"ran on web1\n"},
		"var/lib/lab/script":                     {"a script of web1\n"},
		"addresses":                              {"inet " + web1.IPv4.String() + "/" + lab.Prefix},
		"routes":                                 {"default via " + lab.Gateway, lab.MetadataAddr + " via " + lab.Gateway},
		"etc/network/interfaces.d/50-cloud-init": look.network,
	}
	if look.ipv6 {
		wants["addresses"] = append(wants["addresses"], "inet6 "+web1.IPv6.String()+"/")
	}
	if look.vendor {
		wants["var/lib/lab/vendor"] = []string{"vendor-data of web1\n"}
	}
	for path, texts := range wants {
		text, err := boot.File(path)
		if err != nil {
			t.Errorf("cloud-init did not write it: %v\n%s", err, boot.Output)
			continue
		}
		contains(t, path, text, texts...)
	}
}

// checkStatus checks what "cloud-init status --wait --long" told: all is done, and
// without errors that cloud-init has recovered from, for which its exit code is 2
// since 23.4.
func checkStatus(t *testing.T, look look, boot *lab.CloudInit) {
	t.Helper()
	want := "0"
	_, recovered, _ := strings.Cut(boot.Status, "\nrecoverable_errors:")
	for line := range strings.Lines(recovered) {
		if problem, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			want = "2"
			if !look.explains(problem) {
				t.Error("cloud-init recovered from:", problem)
			}
		}
	}
	equal(t, `the exit code of "cloud-init status --wait"`, boot.StatusCode, want)
	contains(t, "cloud-init's status", boot.Status, "status: done\n")
}
