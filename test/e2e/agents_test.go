//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// agent runs a program of the image clients in web2, a guest that has all that
// it can have, under a server that asks for tokens as mode says.
func agent(t *testing.T, mode string, files map[string]string, command ...string) (shown, string) {
	t.Helper()
	root := builtImage(t, "clients")
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "imds", mode))
	uploadXML(t, s, richXML(t))
	web2 := show(t, s, "web2")
	out, err := place(t, l, web2).OutputIn(suite.ctx, root, files, command...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return web2, out
}

// tokenModes runs a test with tokens optional, required and off.
func tokenModes(t *testing.T, test func(t *testing.T, mode string)) {
	t.Parallel()
	for _, mode := range []string{"optional", "required", "off"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			test(t, mode)
		})
	}
}

// decode reads the JSON that a program printed.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// ohai compares the names that / lists with the versions that it knows.
func TestOhai(t *testing.T) {
	tokenModes(t, func(t *testing.T, mode string) {
		web2, out := agent(t, mode, map[string]string{
			"etc/ohai.rb": "ohai.hints_path = ['/etc/hints']\n", "etc/hints/ec2.json": "{}",
		}, "ohai", "--config", "/etc/ohai.rb", "ec2")
		var got map[string]any
		decode(t, out, &got)
		for name, want := range map[string]string{
			"instance_id": web2.InstanceID, "local_hostname": "web2", "local_ipv4": web2.IPv4.String(),
			"placement_availability_zone": "lab-hosta", "region": "lab-host", "availability_zone": "lab-hosta",
			"public_keys_0_openssh_key": lab.KeyAlice, "public_keys_1_openssh_key": lab.KeyBob,
			"tags_instance_env": "prod", "system": "kvm", "events_maintenance_scheduled": "[]",
		} {
			equal(t, name, fmt.Sprint(got[name]), want)
		}
		contains(t, "the user-data", fmt.Sprint(got["userdata"]), "web server web2")
		macs, _ := got["network_interfaces_macs"].(map[string]any)
		nic, _ := macs[web2.MAC].(map[string]any)
		equal(t, "the interface's address", fmt.Sprint(nic["local_ipv4s"]), web2.IPv4.String())
	})
}

// facter asks for user-data with a slash at its end, if it takes its surroundings
// for KVM.
func TestFacter(t *testing.T) {
	tokenModes(t, func(t *testing.T, mode string) {
		web2, out := agent(t, mode, map[string]string{"sys/class/dmi/id/product_name": "KVM\n"}, "facter", "--json", "ec2_metadata", "ec2_userdata")
		var got struct {
			Userdata string `json:"ec2_userdata"`
			Metadata struct {
				InstanceID string `json:"instance-id"`
				Placement  struct{ Region string }
			} `json:"ec2_metadata"`
		}
		decode(t, out, &got)
		contains(t, "the user-data", got.Userdata, "web server web2")
		equal(t, "instance-id", got.Metadata.InstanceID, web2.InstanceID)
		equal(t, "the region", got.Metadata.Placement.Region, "lab-host")
	})
}

// botocore asks for the zone with a slash at its end, and takes the region from
// it: the AWS CLI and boto3 know none otherwise.
func TestBotocore(t *testing.T) {
	tokenModes(t, func(t *testing.T, mode string) {
		_, out := agent(t, mode, nil, "sh", "-ec", `
			aws configure list
			python3 -c '
import botocore.utils
print("region", botocore.utils.IMDSRegionProvider(__import__("boto3").Session()._session).provide())
print("credentials", botocore.utils.InstanceMetadataFetcher(timeout=5).retrieve_iam_role_credentials())
'`)
		contains(t, "the AWS CLI", strings.Join(strings.Fields(out), " "), "region lab-host imds", "region lab-host credentials {}")
	})
}

// boto, which boto3 has replaced, shows no tokens and asks for the documents
// with slashes around them.
func TestBoto(t *testing.T) {
	t.Parallel()
	web2, out := agent(t, "optional", nil, "python3", "-c", `
import boto.utils, json
print(json.dumps({
	"metadata": json.loads(json.dumps(boto.utils.get_instance_metadata(), default=lambda lazy: dict(lazy.items()))),
	"document": boto.utils.get_instance_identity()["document"],
	"userdata": boto.utils.get_instance_userdata(),
}))`)
	var got struct {
		Metadata struct {
			InstanceID string            `json:"instance-id"`
			Keys       map[string]string `json:"public-keys"`
			Tags       struct{ Instance map[string]string }
		}
		Document struct{ Region, PrivateIP string }
		Userdata string
	}
	decode(t, out, &got)
	equal(t, "instance-id", got.Metadata.InstanceID, web2.InstanceID)
	equal(t, "the keys", fmt.Sprint(got.Metadata.Keys), fmt.Sprint(map[string]string{"alice": lab.KeyAlice, "bob": lab.KeyBob}))
	equal(t, "the tags", fmt.Sprint(got.Metadata.Tags.Instance), "map[bare: env:prod team:web]")
	equal(t, "the region", got.Document.Region, "lab-host")
	equal(t, "the address", got.Document.PrivateIP, web2.IPv4.String())
	contains(t, "the user-data", got.Userdata, "web server web2")
}

// Amazon's client for Ruby needs to be told that a value is absent.
func TestRuby(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"optional", "required"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			web2, out := agent(t, mode, nil, "ruby", "-e", `
				require "aws-sdk-core"
				server = Aws::EC2Metadata.new(retries: 0)
				puts server.get("/latest/meta-data/instance-id/"), server.get("/latest/meta-data/tags/instance/env")
				begin
					server.get("/latest/meta-data/public-ipv4")
				rescue Aws::EC2Metadata::MetadataNotFoundError
					puts "absent"
				end`)
			equal(t, "what it finds", out, web2.InstanceID+"\nprod\nabsent\n")
		})
	}
}

// Prometheus does not accept a configuration that finds targets in EC2 and names
// no region, unless it learns the region from the metadata.
func TestPrometheusInEC2(t *testing.T) {
	tokenModes(t, func(t *testing.T, mode string) {
		l := newLab(t)
		s := startServer(t, l, l.Config().Set("mdserver", "imds", mode))
		file, err := l.WriteFile("prometheus.yml", "scrape_configs: [{job_name: ec2, ec2_sd_configs: [{}]}]\n")
		if err != nil {
			t.Fatal(err)
		}
		if out, err := place(t, l, register(t, s, "web1")).Output(suite.ctx, "promtool", "check", "config", file); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		contains(t, "what web1 has asked for", command(t, s, "explain", "web1"), "GET /latest/dynamic/instance-identity/document 200")
	})
}

// ec2_metadata_facts of Ansible's collection amazon.aws reads the whole tree.
func TestAnsible(t *testing.T) {
	tokenModes(t, func(t *testing.T, mode string) {
		web2, out := agent(t, mode, nil, "ansible", "localhost", "--connection", "local", "--one-line", "--module-name", "amazon.aws.ec2_metadata_facts",
			"--extra-vars", "ansible_python_interpreter=/usr/bin/python3")
		_, text, found := strings.Cut(out, "=> ")
		if !found {
			t.Fatal(out)
		}
		var got struct {
			Facts map[string]any `json:"ansible_facts"`
		}
		decode(t, text, &got)
		for name, want := range map[string]string{
			"instance_id": web2.InstanceID, "placement_region": "lab-host", "public_key": lab.KeyAlice,
			"instance_identity_document_availabilityzone": "lab-hosta", "instance_tags_keys": "[bare env team]",
		} {
			equal(t, name, fmt.Sprint(got.Facts["ansible_ec2_"+name]), want)
		}
		contains(t, "the user-data", fmt.Sprint(got.Facts["ansible_ec2_user_data"]), "web server web2")
	})
}

// bootScript is user-data for iPXE.
const bootScript = `#!ipxe
echo {{hostname}} runs its user-data
imgfetch http://169.254.169.254/latest/meta-data/instance-id/ && imgstat
reboot
`

// iPXE, as the boot loader of a virtual machine, chains to the guest's user-data,
// which has more than 2 KiB.
func TestIPXE(t *testing.T) {
	t.Parallel()
	root := builtImage(t, "clients")
	l := newLab(t)
	template, err := l.WriteFile("boot.ipxe", bootScript+strings.Repeat("# a line that is not run\n", 1000))
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, l, l.Config().Set("mdserver", "default_template", template))
	web1 := register(t, s, "web1")
	out, err := l.Emulate(suite.ctx, web1.MAC, root+"/boot/ipxe.lkrn", "dhcp && chain http://169.254.169.254/latest/user-data/ || reboot")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	contains(t, "the console", out, "web1 runs its user-data", "latest/meta-data/instance-id/... ok", "19 bytes")
}
