//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"mdserver/test/clients"
	"mdserver/test/lab"
)

// Amazon's own ec2-metadata shows all that it knows to ask for, and gives up
// where there are no tokens. Two of its paths have a doubled slash.
func TestAmazonsEC2Metadata(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"optional", "required", "off"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := startServer(t, l, l.Config().Set("mdserver", "imds", mode))
			uploadXML(t, s, richXML(t))
			web2 := show(t, s, "web2")
			guest := place(t, l, web2)
			out, err := guest.Output(suite.ctx, "ec2-metadata")
			if mode == "off" {
				if err == nil || !strings.Contains(out, "Could not get IMDSv2 token") {
					t.Errorf("without tokens it says %v:\n%s", err, out)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range []string{
				"ami-id: debian-12", "ami-launch-index: 0", "ami-manifest-path: (unknown)", "ancestor-ami-ids: not available",
				"\t ami: vda", "\t ebs1: vdz", "\t root: /dev/vda",
				"instance-id: " + web2.InstanceID, "instance-type: kvm.4x4g", "local-hostname: web2", "local-ipv4: " + web2.IPv4.String(),
				"kernel-id: not available", "placement: lab-hosta", "product-codes: not available",
				"public-hostname: not available", "public-ipv4: not available",
				"keyname:alice", "index:0", "format:openssh-key", lab.KeyAlice, "keyname:bob", "index:1", lab.KeyBob,
				"ramdisk-id: not available", "security-groups: default", "user-data: #cloud-config",
				"\t bare:", "\t env: prod", "\t team: web",
			} {
				contains(t, "ec2-metadata", "\n"+out, "\n"+line)
			}
			contains(t, "ec2-metadata", out, "reservation-id: r-")
		})
	}
}

// The documentation names the versions that are run.
func TestVersionsOfClients(t *testing.T) {
	t.Parallel()
	for _, c := range clients.All() {
		if c.Package == "" {
			continue
		}
		admin := "/var/lib/dpkg"
		if c.Image != "" {
			admin = builtImage(t, c.Image) + admin
		}
		out, err := exec.CommandContext(suite.ctx, "dpkg-query", "--admindir", admin, "--show", "--showformat", "${Version}", c.Package).Output()
		if err != nil {
			t.Fatal(c.Package, err)
		}
		upstream, _, _ := strings.Cut(c.Version, " ")
		got, _, _ := strings.Cut(string(out), "-")
		if got, _, _ = strings.Cut(got, "+"); got != upstream {
			t.Errorf("%s is %s, the documentation says %s", c.Package, out, c.Version)
		}
	}
}

// ignitionBinary is where Debian puts it, for the initial ramdisk.
const ignitionBinary = "/usr/lib/dracut/modules.d/30ignition/ignition"

// ignitionConfig has Ignition write one file.
const ignitionConfig = `{"ignition": {"version": "3.3.0"}, "storage": {"files": [
  {"path": "/etc/motd", "contents": {"source": "data:,Welcome%20to%20{{hostname}}"}}
]}}`

// Ignition fetches a guest's configuration as AWS's and as OpenStack's guest,
// with and without tokens. A guest without user-data is one without a
// configuration, and not one that cannot be set up.
func TestIgnition(t *testing.T) {
	t.Parallel()
	const motd = "data:,Welcome%20to%20web1"
	for _, tt := range []struct {
		name, platform, imds, prefix, motd string
	}{
		{name: "AWS, tokens optional", platform: "aws", imds: "optional", motd: motd},
		{name: "AWS, tokens required", platform: "aws", imds: "required", motd: motd},
		{name: "AWS, no tokens", platform: "aws", imds: "off", motd: motd},
		{name: "AWS, no user-data", platform: "aws", imds: "required", prefix: "nothing"},
		{name: "OpenStack", platform: "openstack", imds: "required", motd: motd},
		{name: "OpenStack, no user-data", platform: "openstack", imds: "optional", prefix: "nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			config, err := l.WriteFile("config.ign", ignitionConfig)
			if err != nil {
				t.Fatal(err)
			}
			s := startServer(t, l, l.Config().Set("mdserver", "imds", tt.imds).Set("mdserver", "imds_exempt", "openstack").Set("mdserver", "default_template", config))
			xml := domainXML(t, "web1")
			if tt.prefix != "" {
				xml = withMetadata(xml, "userdata_prefix", tt.prefix)
			}
			uploadXML(t, s, xml)
			equal(t, "what the file is to hold", fetchIgnition(t, l, place(t, l, show(t, s, "web1")), tt.platform), tt.motd)
			if tokens := status(t, s).IMDS.Tokens; (tokens > 0) != (tt.platform == "aws" && tt.imds != "off") {
				t.Errorf("%d tokens were issued", tokens)
			}
		})
	}
}

// fetchIgnition runs the stage that asks the network, and returns what the
// configuration that comes of it has the guest's one file hold.
func fetchIgnition(t *testing.T, l *lab.Lab, guest *lab.Guest, platform string) string {
	t.Helper()
	cache := l.Path("ignition.json")
	out, err := guest.Output(suite.ctx, ignitionBinary, "-stage", "fetch", "-platform", platform, "-log-to-stdout", "-config-cache", cache,
		"-state-file", l.Path("ignition.state"), "-neednet", l.Path("neednet"), "-root", l.Path("root"))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(cache)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Storage struct {
			Files []struct{ Contents struct{ Source string } }
		}
	}
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Storage.Files) == 0 {
		return ""
	}
	return config.Storage.Files[0].Contents.Source
}
