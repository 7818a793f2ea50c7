package ec2

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/metadata"
)

// dualSite has everything that a site can have.
var dualSite = metadata.Site{
	PublicKeys: []metadata.PublicKey{{Name: "ops", Key: "ssh-ed25519 BBBB bob@desk"}, {Name: "dev/", Key: "ssh-ed25519 DDDD"}},
	Networks: []instance.Network{{
		Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/16"), IPv6: netip.MustParsePrefix("2001:db8::/64"), Domain: "example.net",
	}},
	Host:   "kvm1.example.net",
	Region: "kvm1", AvailabilityZone: "kvm1a", AccountID: "123456789012",
}

// full has everything that a guest can have.
var full = &instance.Instance{
	ID: "i-0123456789abcdef0", Name: "full", Hostname: "full", UUID: uuid.MustParse("7e5a544d-d555-4133-a443-8229415be7ab"),
	Network: "mds", MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 1}, IPv4: webAddr, IPv6: ipv6Addr, Hardware: instance.Hardware{VCPUs: 2, Memory: 4 << 30},
	Interfaces: []instance.Interface{
		{MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 7}, Network: "default"},
		{MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 1}, Network: "mds"},
	},
	Disks: []instance.Disk{
		{Target: "sda", Device: "cdrom"}, {Target: "vda", Device: "disk"}, {Target: "vdb", Device: "lun"}, {Target: "fda", Device: "floppy"},
		{Target: "vdc", Device: "disk"},
	},
	Metadata: instance.Metadata{Tags: map[string]string{
		"env": "prod", "bare": "", "a+b-c=d.e,f_g:h@i": "all that is allowed",
		"two words": "no", "a/b": "no", "größe": "no", ".": "no", "..": "no", "_index": "no", "0=x": "no", "": "no", "a\nb": "no",
	}},
}

// A crawl goes as cloud-init's does: a name with a slash is a directory, and
// N=name is the key N/openssh-key.
type crawl struct {
	t      *testing.T
	server http.Handler
	from   netip.Addr
	leaves map[string]string
	dirs   map[string]bool
}

func newCrawl(t *testing.T, server http.Handler, from netip.Addr) *crawl {
	return &crawl{t: t, server: server, from: from, leaves: map[string]string{}, dirs: map[string]bool{}}
}

func (c *crawl) get(path string) string {
	c.t.Helper()
	w := ask(c.server, c.from, http.MethodGet, path)
	if w.Code != http.StatusOK {
		c.t.Errorf("%s: %d %s, want 200", path, w.Code, w.Body)
	}
	if strings.HasSuffix(w.Body.String(), "\n") {
		c.t.Errorf("%s ends with a newline", path)
	}
	if head := ask(c.server, c.from, http.MethodHead, path); head.Code != w.Code {
		c.t.Errorf("%s: HEAD %d, GET %d", path, head.Code, w.Code)
	}
	if slash := ask(c.server, c.from, http.MethodGet, path+"/"); slash.Code != w.Code || slash.Body.String() != w.Body.String() {
		c.t.Errorf("%s/: %d %q, without the slash %q", path, slash.Code, slash.Body, w.Body)
	}
	return w.Body.String()
}

func (c *crawl) directory(path string) {
	c.t.Helper()
	c.dirs[path] = true
	list := c.get(path)
	if bare := c.get("/" + strings.Trim(path, "/")); bare != list {
		c.t.Errorf("%s lists %q, without the slash %q", path, list, bare)
	}
	seen := map[string]bool{}
	for name := range strings.SplitSeq(list, "\n") {
		bare := strings.TrimSuffix(name, "/")
		if bare == "" || seen[bare] {
			c.t.Errorf("%s lists %q, which is empty or there twice", path, name)
		}
		seen[bare] = true
		index, _, equals := strings.Cut(name, "=")
		switch {
		case equals && strings.Trim(index, "0123456789") == "":
			c.directory(path + index + "/")
		case bare != name || isTop(path) && name != "user-data":
			c.directory(path + bare + "/")
		default:
			c.leaves[path+name] = c.get(path + name)
		}
	}
}

// isTop reports whether a directory lists bare names, as AWS does down to the
// names below a version.
func isTop(path string) bool { return strings.Count(path, "/") < 3 }

// cloud-init's crawl asks for every name that a listing shows; one that fails
// costs it the whole tree.
func TestEveryListedNameAnswersForEveryVersion(t *testing.T) {
	versions := config.Default().Service.EC2Versions
	if len(versions) != 30 || !slices.Contains(versions, "1.0") || !slices.Contains(versions, "2024-04-11") {
		t.Fatalf("%d versions by default: %v", len(versions), versions)
	}
	noAddress := *full
	noAddress.IPv4, noAddress.IPv6, noAddress.Disks, noAddress.Interfaces = otherAddr, netip.Addr{}, nil, nil
	six := *full
	six.IPv4 = netip.Addr{}
	known := guests{webAddr: full, otherAddr: &noAddress, ipv6Addr: &six}
	server := newServerFor(known, versions, dualSite, fakeUserdata{})
	for from, most := range map[netip.Addr]int{webAddr: 45, otherAddr: 35, ipv6Addr: 40} {
		c := newCrawl(t, server, from)
		c.directory("/")
		for _, version := range versions {
			if !c.dirs["/"+version+"/meta-data/"] {
				t.Errorf("%s is not crawled", version)
			}
		}
		if got := len(c.leaves) / len(versions); got < most-10 {
			t.Errorf("%s: only %d names in each version", from, got)
		}
		for path := range c.leaves {
			if c.dirs[path+"/"] {
				t.Errorf("%s is both a leaf and a directory", path)
			}
			if w := ask(server, from, http.MethodGet, path+"/x"); w.Code != http.StatusNotFound {
				t.Errorf("%s/x: %d, want 404", path, w.Code)
			}
		}
	}
	bare := newCrawl(t, newServerFor(guests{webAddr: {ID: "i-1", Hostname: "bare", IPv4: webAddr}}, versions, metadata.Site{}, fakeUserdata{}), webAddr)
	bare.directory("/latest/")
	for _, gone := range []string{"network/", "placement/", "public-keys/", "tags/", "block-device-mapping/"} {
		if bare.dirs["/latest/meta-data/"+gone] {
			t.Errorf("a guest without it has %s", gone)
		}
	}
}

func TestValues(t *testing.T) {
	const mac = "network/interfaces/macs/52:54:00:09:00:01/"
	want := map[string]string{
		"ami-id": metadata.ResourceID("ami", full.UUID.String()), "ami-launch-index": "0", "ami-manifest-path": "(unknown)",
		"block-device-mapping/ami": "vda", "block-device-mapping/root": "/dev/vda",
		"block-device-mapping/ebs1": "vdb", "block-device-mapping/ebs2": "vdc",
		"events/maintenance/history": "[]", "events/maintenance/scheduled": "[]",
		"hostname": "full", "local-hostname": "full", "local-ipv4": "10.122.0.5", "ipv6": "2001:db8::5", "mac": "52:54:00:09:00:01",
		"instance-action": "none", "instance-id": full.ID, "instance-life-cycle": "on-demand", "instance-type": "kvm.2x4g",
		mac + "device-number": "0", mac + "interface-id": metadata.ResourceID("eni", "52:54:00:09:00:01"),
		mac + "ipv6s": "2001:db8::5", mac + "local-hostname": "full", mac + "local-ipv4s": "10.122.0.5", mac + "mac": "52:54:00:09:00:01",
		mac + "network-card": "0", mac + "network-card-index": "0", mac + "owner-id": "123456789012", mac + "security-groups": "default",
		mac + "security-group-ids": metadata.ResourceID("sg", "mds"), "system": "kvm",
		mac + "subnet-id": metadata.ResourceID("subnet", "mds"), mac + "vpc-id": metadata.ResourceID("vpc", "mds"),
		mac + "subnet-ipv4-cidr-block": "10.122.0.0/16", mac + "vpc-ipv4-cidr-block": "10.122.0.0/16", mac + "vpc-ipv4-cidr-blocks": "10.122.0.0/16",
		mac + "subnet-ipv6-cidr-block": "2001:db8::/64", mac + "subnet-ipv6-cidr-blocks": "2001:db8::/64", mac + "vpc-ipv6-cidr-blocks": "2001:db8::/64",
		"placement/availability-zone": "kvm1a", "placement/availability-zone-id": "kvm1a", "placement/region": "kvm1",
		"placement/host-id": metadata.ResourceID("h", "kvm1.example.net"), "profile": "default-hvm",
		"public-keys/0/openssh-key": "ssh-ed25519 BBBB bob@desk", "public-keys/1/openssh-key": "ssh-ed25519 DDDD",
		"reservation-id": metadata.ResourceID("r", full.ID), "security-groups": "default",
		"services/domain": "example.net", "services/partition": "mdserver",
		"tags/instance/env": "prod", "tags/instance/bare": "", "tags/instance/a+b-c=d.e,f_g:h@i": "all that is allowed",
	}
	c := newCrawl(t, newServerFor(guests{webAddr: full}, []string{"latest"}, dualSite, fakeUserdata{}), webAddr)
	c.directory("/latest/meta-data/")
	for path, value := range c.leaves {
		name := strings.TrimPrefix(path, "/latest/meta-data/")
		if expected, ok := want[name]; !ok || value != expected {
			t.Errorf("%s is %q, want %q (known: %v)", name, value, expected, ok)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is not listed", name)
	}
}

// A second interface on a network of ours has its own number; one elsewhere
// is not there.
func TestDeviceNumbers(t *testing.T) {
	prefix := netip.MustParsePrefix("10.0.0.1/24")
	s := &subject{Document: metadata.Document{Interfaces: []metadata.Interface{
		{MAC: instance.MAC{2, 1}, IPv4: prefix},
		{MAC: instance.MAC{2, 2}},
		{MAC: instance.MAC{2, 3}, IPv4: prefix, Primary: true},
		{MAC: instance.MAC{2, 4}, IPv4: prefix},
		{MAC: instance.MAC{2, 1}, IPv4: netip.MustParsePrefix("10.9.0.1/24")}, // the same MAC address on a separate network
		{MAC: instance.MAC{2, 5}, IPv6: netip.MustParsePrefix("fd00::5/64")},
	}}}
	if got, _ := resolve(s, metaData, "network/interfaces/macs"); got != "02:01:00:00:00:00/\n02:03:00:00:00:00/\n02:04:00:00:00:00/\n02:05:00:00:00:00/" {
		t.Errorf("the MACs are\n%s", got)
	}
	for mac, want := range map[string]string{"02:01:00:00:00:00": "1", "02:03:00:00:00:00": "0", "02:04:00:00:00:00": "2", "02:05:00:00:00:00": "4"} {
		if got, ok := resolve(s, metaData, "network/interfaces/macs/"+mac+"/device-number"); got != want || !ok {
			t.Errorf("%s has the number %q, want %s", mac, got, want)
		}
	}
	if got, ok := resolve(s, metaData, "network/interfaces/macs/02:02:00:00:00:00/mac"); ok {
		t.Errorf("an interface that is not ours answers %q", got)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	server := newServerFor(guests{webAddr: full}, []string{"2009-04-04", "latest"}, dualSite, fakeUserdata{})
	for _, path := range []string{
		"/2009-04-05/", "/2021-03-23/meta-data/", "/LATEST/meta-data/", "/latest/meta-data-/", "/latest/meta_data/", "/latest/dynamic/x",
		"/latest/meta-data/nothing", "/latest/meta-data/Hostname", "/latest/meta-data/hostname/x", "/latest/meta-data/hostname//x/",
		"/latest/meta-data/iam/", "/latest/meta-data/iam/info", "/latest/meta-data/iam/security-credentials/", "/latest/meta-data/public-ipv4",
		"/latest/meta-data/public-hostname", "/latest/meta-data/kernel-id", "/latest/meta-data/ramdisk-id", "/latest/meta-data/spot/instance-action",
		"/latest/meta-data/network/interfaces/macs/52:54:00:09:00:07/", "/latest/meta-data/network/interfaces/macs/52:54:00:09:00:0A/",
		"/latest/meta-data/network/interfaces/macs/x", "/latest/meta-data/network/mac", "/latest/meta-data/placement/x",
		"/latest/meta-data/block-device-mapping/ebs0", "/latest/meta-data/block-device-mapping/ebs3", "/latest/meta-data/block-device-mapping/ebs01",
		"/latest/meta-data/block-device-mapping/ebs+1", "/latest/meta-data/block-device-mapping/ebs-1", "/latest/meta-data/block-device-mapping/ebs",
		"/latest/meta-data/block-device-mapping/swap", "/latest/meta-data/block-device-mapping/ami/x",
		"/latest/meta-data/tags/instance/none", "/latest/meta-data/tags/instance/two%20words", "/latest/meta-data/tags/instance/a%2Fb",
		"/latest/meta-data/tags/instance/_index", "/latest/meta-data/tags/instance/0=x", "/latest/meta-data/tags/instance/env/x",
		"/latest/meta-data/public-keys/-1/openssh-key", "/latest/meta-data/public-keys/00/openssh-key", "/latest/meta-data/public-keys/2",
		"/latest/meta-data/public-keys/99999999999999999999/", "/latest/meta-data/public-keys/0/x", "/latest/meta-data/public-keys/0/openssh-key/x",
		"/latest/meta-data/events/recommendations/rebalance", "/latest/meta-data/autoscaling/target-lifecycle-state", "/latest/meta-data/product-codes",
		"/latest/meta-data/managed-ssh-keys/active-keys/ubuntu/", "/latest/meta-data/ancestor-ami-ids", "/latest/meta-data/security-group-ids",
		"/latest/meta-data/../user-data", "/../../etc/passwd", "/latest/meta-data/./hostname", "/latest/meta-data/%2e%2e/user-data",
	} {
		if w := ask(server, webAddr, http.MethodGet, path); w.Code != http.StatusNotFound || w.Body.Len() > 300 {
			t.Errorf("%s: %d %q, want 404", path, w.Code, w.Body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "FOO"} {
		for _, path := range []string{"/", "/latest/", "/latest/meta-data/", "/latest/meta-data/instance-id", "/latest/user-data"} {
			w := ask(server, webAddr, method, path)
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
}

// Whatever the path, a leaf and a listing are told apart, nothing but 200 and
// 404 is answered, and what a listing shows is there.
func FuzzResolve(f *testing.F) {
	for _, seed := range []string{
		"", "hostname", "hostname/", "network/interfaces/macs/52:54:00:09:00:01/mac", "public-keys/0/openssh-key", "public-keys/dev//",
		"tags/instance/a+b-c=d.e,f_g:h@i", "block-device-mapping/ebs1", "block-device-mapping/ebs99999999999999999999", "/", "//", "placement",
	} {
		f.Add(seed)
	}
	doc := metadata.New(full, dualSite)
	f.Fuzz(func(t *testing.T, path string) {
		text, ok := resolve(&subject{Document: doc}, metaData, path)
		if !ok {
			return
		}
		if again, there := resolve(&subject{Document: doc}, metaData, strings.TrimSuffix(path, "/")); !there || again != text {
			t.Errorf("%q answers %q, without the slash %q, %v", path, text, again, there)
		}
	})
}
