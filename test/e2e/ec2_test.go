//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"mdserver/internal/config"
	"mdserver/test/lab"
)

// richXML adds to web2 what the EC2 tree can tell beyond its definition.
func richXML(t *testing.T) string {
	t.Helper()
	return strings.NewReplacer(
		"</mdserver:instance>", "<mdserver:tags>env=prod, team=web, bare</mdserver:tags>"+
			"<mdserver:ami_id>debian-12</mdserver:ami_id></mdserver:instance>",
		"</devices>", "<disk type='file' device='disk'><target dev='vdz' bus='virtio'/></disk></devices>",
	).Replace(domainXML(t, "web2"))
}

// Debian's ec2metadata, with its token, shows all that it knows to ask for.
func TestEC2Metadata(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "imds", "required"))
	uploadXML(t, s, richXML(t))
	web2 := show(t, s, "web2")
	guest, _ := boot(t, l, web2)

	out, err := guest.Output(suite.ctx, "ec2metadata")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ": "); ok {
			got[name] = value
		}
	}
	for name, want := range map[string]string{
		"ami-id": "debian-12", "ami-launch-index": "0", "ami-manifest-path": "(unknown)",
		"availability-zone": "lab-hosta", "availability-zone-id": "lab-hosta", "region": "lab-host",
		"block-device-mapping": "ami", "instance-action": "none", "instance-id": web2.InstanceID, "instance-type": "kvm.4x4g",
		"local-hostname": "web2", "local-ipv4": web2.IPv4.String(), "mac": web2.MAC, "profile": "default-hvm",
		"public-keys": fmt.Sprintf("['%s', '%s']", lab.KeyAlice, lab.KeyBob), "security-groups": "default",
		"kernel-id": "unavailable", "ramdisk-id": "unavailable", "public-ipv4": "unavailable", "public-hostname": "unavailable",
		"product-codes": "unavailable", "ancestor-ami-ids": "unavailable",
	} {
		equal(t, name, got[name], want)
	}
	for name, prefix := range map[string]string{"reservation-id": "r-", "host-id": "h-"} {
		if !strings.HasPrefix(got[name], prefix) {
			t.Errorf("%s is %q, want it to begin with %s", name, got[name], prefix)
		}
	}
	contains(t, "ec2metadata", out, "user-data: ", "web server web2")
}

// Over the network, too, every name of every version answers; directories, and
// the values of the newest version, with a slash at their end and without.
func TestEveryVersionAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "request_rate", "0"))
	uploadXML(t, s, richXML(t))
	guest, _ := boot(t, l, show(t, s, "web2"))
	client := guest.HTTPClient(netip.Addr{})
	fetch := func(path string) string {
		resp, err := client.Get("http://" + lab.MetadataAddr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, want 200 (%v)", path, resp.StatusCode, err)
		}
		return string(body)
	}
	asked := 0
	var walk func(path string)
	walk = func(path string) {
		asked++
		bare, isDir := strings.CutSuffix(path, "/")
		list := fetch("/" + strings.TrimPrefix(bare, "/"))
		if (isDir || strings.HasPrefix(path, "/latest/")) && fetch(bare+"/") != list {
			t.Errorf("%s/ is not what %s is", bare, bare)
		}
		if !isDir {
			return
		}
		for name := range strings.SplitSeq(list, "\n") {
			if index, _, ok := strings.Cut(name, "="); ok {
				name = index + "/"
			}
			if strings.Count(path, "/") < 3 && name != "user-data" { // bare names, as AWS lists them
				name = strings.TrimSuffix(name, "/") + "/"
			}
			walk(path + name)
		}
	}
	walk("/")
	versions := config.Default().Service.EC2Versions
	t.Logf("%d names in %d versions", asked, len(versions))
	if least := 50 * len(versions); asked < least {
		t.Errorf("%d names in %d versions, want %d at least", asked, len(versions), least)
	}
}

// A service that a guest shows its document to checks it with openssl, as AWS
// tells people to, by the certificate that the server's administrator gave it.
func TestIdentityDocumentIsVerified(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	web1 := register(t, s, "web1")
	guest, _ := boot(t, l, web1)
	const dir = "/latest/dynamic/instance-identity"
	equal(t, "the listing", get(t, guest, dir), "document\npkcs7\nrsa2048\nsignature")

	document := get(t, guest, dir+"/document")
	var fields map[string]any
	if err := json.Unmarshal([]byte(document), &fields); err != nil {
		t.Fatalf("the document: %v\n%s", err, document)
	}
	equal(t, "instanceId", fmt.Sprint(fields["instanceId"]), web1.InstanceID)
	equal(t, "privateIp", fmt.Sprint(fields["privateIp"]), web1.IPv4.String())
	equal(t, "region", fmt.Sprint(fields["region"]), "lab-host")

	file := func(name, text string) string {
		path, err := l.WriteFile(name, text)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, doc := file("ca.pem", command(t, s, "identity", "ca")), file("document", document)
	signature := file("signature", get(t, guest, dir+"/signature"))
	for _, name := range []string{"pkcs7", "rsa2048"} {
		path := file(name, "-----BEGIN PKCS7-----\n"+get(t, guest, dir+"/"+name)+"\n-----END PKCS7-----\n")
		out, err := l.Host.Output(suite.ctx, "openssl", "smime", "-verify", "-inform", "PEM", "-in", path, "-content", doc, "-CAfile", ca)
		if err != nil {
			t.Error(err)
		}
		equal(t, name, out, document)
		equal(t, name, command(t, s, "identity", "verify", doc, path), doc+" is genuine\n")
	}
	equal(t, "the signature", command(t, s, "identity", "verify", "--ca", ca, doc, signature), doc+" is genuine\n")

	info, err := os.Stat(l.Path("state", "identity.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the authority's key: %v, mode %v, want 0600", err, info)
	}
}
