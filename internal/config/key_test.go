package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/internal/instance"
)

// TestTable: what every row has to keep to.
func TestTable(t *testing.T) {
	ranks := map[int]string{}
	for i := range table {
		k := &table[i]
		if index[k.full()] != k {
			t.Errorf("%s has two rows", k.full())
		}
		if !knownSection(k.section) {
			t.Errorf("%s: its section has no text", k.full())
		}
		if k.rank > 0 && ranks[k.rank] != "" {
			t.Errorf("%s and %s share a rank", k.full(), ranks[k.rank])
		}
		ranks[k.rank] = k.full()
		if k.rest == nil && k.name != strings.ToLower(k.name) {
			t.Errorf("%s cannot be found: keys are read in lower case", k.full())
		}
		if k.derive != nil && (k.def != nil || k.derived == "" || k.example == "") {
			t.Errorf("%s: a derived default needs words and an example, and no other default", k.full())
		}
		if k.set != nil && k.accepts == "" {
			t.Errorf("%s does not say what it accepts", k.full())
		}
	}
	for rank := 1; rank <= 36; rank++ {
		if ranks[rank] == "" {
			t.Errorf("no key has rank %d", rank)
		}
	}
}

// other is a value for each key that differs from its default.
var other = map[string]string{
	"mdserver.port": "81", "mdserver.listen_address": "::", "mdserver.listen_address6": "fd00::7", "mdserver.userdata_dir": "/u", "mdserver.userdata_suffixes": ".x",
	"mdserver.default_template": "/t", "mdserver.vendordata_template": "/v", "mdserver.report": "yes", "mdserver.password": "p", "mdserver.hostname_prefix": "h", "mdserver.db_file": "/var/lib/mdserver/o.json",
	"mdserver.database": "/var/lib/mdserver/o.db", "mdserver.identity": "/i.pem", "mdserver.socket": "/s", "mdserver.logfile": "", "mdserver.debug": "YES",
	"mdserver.debug_userdata": "on", "mdserver.template_escape": "None", "mdserver.template_none": "empty",
	"mdserver.template_format": "raw", "mdserver.template_path": "/a:/b", "mdserver.template_steps": "1000", "mdserver.template_memory": "5", "mdserver.template_recursion": "77",
	"mdserver.template_output": "1", "mdserver.template_time": "5", "mdserver.userdata_size": "7",
	"mdserver.stuck_after": "90s",
	"mdserver.imds":        "Required", "mdserver.imds_hop_limit": "2", "mdserver.imds_exempt": "nocloud", "mdserver.accept_hosts": "md.example.net",
	"mdserver.accept_interfaces": "br0,br1", "mdserver.verify_mac": "yes", "mdserver.max_connections": "5",
	"mdserver.guest_connections": "6", "mdserver.request_rate": "0",
	"mdserver.upload": "Local", "mdserver.max_guests": "7", "mdserver.snapshots": "3",
	"metrics.listen": "9810",
	"loglevels.base": "CRITICAL", "loglevels.stream": "Warning", "loglevels.file": "error", "loglevels.log_format": "json",
	"dnsmasq.run": "off", "dnsmasq.binary": "/opt/dnsmasq", "dnsmasq.user": "nobody", "dnsmasq.base_dir": "/b", "dnsmasq.run_dir": "/r",
	"dnsmasq.net_name": "n", "dnsmasq.net_address": "10.122.1.0", "dnsmasq.net_prefix": "17", "dnsmasq.gateway": "10.122.0.2",
	"dnsmasq.reserved": "10.122.0.9", "dnsmasq.net_address6": "fd00::", "dnsmasq.net_prefix6": "80", "dnsmasq.gateway6": "fd00::9",
	"dnsmasq.reserved6": "fd00::5", "dnsmasq.scope": "Host", "dnsmasq.quarantine": "0", "dnsmasq.interface": "br0", "dnsmasq.listen_address": "10.122.0.7",
	"dnsmasq.use_dns": "t", "dnsmasq.lease_len": "600", "dnsmasq.prefix": "p-", "dnsmasq.domain": "d.example", "dnsmasq.entry_order": "fqdn,base", "dnsmasq.port_security": "yes",
	"dnsmasq.stop_rebind": "Private", "dnsmasq.rebind_domains": "corp.example, lan",
	"dnsmasq.ntp_server": "10.122.0.1", "dnsmasq.domain_search": "lan", "dnsmasq.mtu": "1450", "dnsmasq.dhcp_boot": "pxe.0", "dnsmasq.conf_file": "/c",
	"dnsmasq.serve_hosts": "yes", "dnsmasq.domain_needed": "no",
	"libvirt.uri":              "qemu:///session",
	"libvirt.release_after":    "never",
	"ssh.host_ca":              "yes",
	"ssh.certificate_lifetime": "30",
	"ssh.user":                 "debian",
	"store.backend":            "etcd", "store.endpoints": "https://etcd1", "store.ca_file": "/ca", "store.cert_file": "/cert", "store.key_file": "/key", "store.key": "/sealing",
	"store.user": "mdserver", "store.host": "kvm1", "store.password_file": "/password", "store.prefix": "/other",
	"template-data._config_items_": "dnsmasq.user", "service.name": "n", "service.type": "t", "service.version": "v",
	"service.release_date": "r", "service.hostname": "other.host", "service.location": "other", "service.region": "eu-other-1", "service.availability_zone": "eu-other-1c", "service.account_id": "123456789012", "service.ec2_versions": "latest",
	"_include_.directories": "/nowhere", "_include_.files": "/nowhere",
}

// restartKeys cannot change while the server runs.
var restartKeys = strings.Fields(`mdserver.port mdserver.listen_address mdserver.listen_address6
	mdserver.db_file mdserver.database mdserver.identity mdserver.socket
	dnsmasq.run dnsmasq.binary dnsmasq.base_dir dnsmasq.run_dir dnsmasq.net_name dnsmasq.net_address dnsmasq.net_prefix
	dnsmasq.net_address6 dnsmasq.net_prefix6 dnsmasq.gateway dnsmasq.gateway6 dnsmasq.interface dnsmasq.listen_address
	libvirt.uri loglevels.log_format
	store.backend store.endpoints store.ca_file store.cert_file store.key_file store.user store.password_file store.prefix store.host store.key`)

// companions are settings without which a key has no effect, or is refused.
var companions = map[string]string{
	"dnsmasq.gateway6":  "[dnsmasq]\nnet_address6 = fd00::\n",
	"dnsmasq.reserved6": "[dnsmasq]\nnet_address6 = fd00::\n",
	"store.backend":     "[store]\nendpoints = https://etcd1\n",
}

// followers are keys whose defaults follow another key.
var followers = map[string][]string{
	"dnsmasq.net_address6": {"dnsmasq.gateway6"},
	"service.location":     {"service.region", "service.availability_zone"},
	"service.region":       {"service.availability_zone"},
}

// TestEachKeyAlone sets every key in turn: Diff names that one and no other,
// so each row has a field of its own, and the right class of reload.
func TestEachKeyAlone(t *testing.T) {
	base, _ := mustLoad(t, "")
	for i := range table {
		k := &table[i]
		if k.set == nil {
			continue
		}
		t.Run(k.full(), func(t *testing.T) {
			text, ok := other[k.full()]
			if !ok {
				t.Fatal("the test knows no value for it")
			}
			was := base
			setting := "[" + k.section + "]\n" + k.name + " = " + text + "\n"
			if section := companions[k.full()]; section != "" {
				was, _ = mustLoad(t, section)
				setting = section + k.name + " = " + text + "\n"
			}
			c, _ := mustLoad(t, setting)
			live, restart := Diff(was, c)
			want := append([]string{k.full()}, followers[k.full()]...)
			if got := slices.Concat(restart, live); !slices.Equal(got, want) {
				t.Errorf("Diff gives %v, want %v", got, want)
			}
			if got := slices.Contains(restart, k.full()); got != slices.Contains(restartKeys, k.full()) {
				t.Errorf("takes a restart: %v", got)
			}
			back, again := Diff(c, c)
			if len(back)+len(again) > 0 {
				t.Errorf("differs from itself in %v %v", back, again)
			}
		})
	}
}

func TestDiffOfNames(t *testing.T) {
	const key = " = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleKey"
	a, _ := mustLoad(t, "[public-keys]\na"+key+"A\nb"+key+"B\n[template-data]\nx = 1\ny =\n")
	b, _ := mustLoad(t, "[public-keys]\nb"+key+"C\nc"+key+"D\n[template-data]\nx = 1\n")
	live, restart := Diff(a, b)
	want := []string{"public-keys.a", "public-keys.b", "public-keys.c", "template-data.y"}
	if !slices.Equal(live, want) || len(restart) > 0 {
		t.Errorf("got %v and %v, want %v", live, restart, want)
	}
}

// The network of [dnsmasq] is there if a key says something of it, if only its
// default.
func TestDiffOfShortForm(t *testing.T) {
	const lan = "[network lan]\ninterface = br-lan\nnet_address = 10.50.0.0\n"
	without, _ := mustLoad(t, lan)
	for _, key := range []string{"net_name = mds", "interface = br-mds", "net_address = 10.122.0.0", "gateway = 10.122.0.1"} {
		with, _ := mustLoad(t, "[dnsmasq]\n"+key+"\n"+lan)
		for _, c := range [][2]*Config{{without, with}, {with, without}} {
			if live, restart := Diff(c[0], c[1]); len(live) > 0 || !slices.Equal(restart, []string{"[dnsmasq]"}) {
				t.Errorf("%s: got %v and %v", key, live, restart)
			}
		}
		if live, restart := Diff(with, with); len(live)+len(restart) > 0 {
			t.Errorf("%s: no change is %v and %v", key, live, restart)
		}
	}
}

// TestSpelling: other ways to write a value do not count as a change.
func TestSpelling(t *testing.T) {
	a, _ := mustLoad(t, "[mdserver]\ndebug = no\n[dnsmasq]\nprefix = no\nquarantine = 3600\n[loglevels]\nbase = INFO\n")
	live, restart := Diff(Default(), a)
	if len(live)+len(restart) > 0 {
		t.Errorf("%v %v", live, restart)
	}
}

func TestValuesOfKinds(t *testing.T) {
	c, _ := mustLoad(t, `[mdserver]
listen_address =
userdata_suffixes = ::.yaml
logfile = None
template_path = /a: /b::
[dnsmasq]
net_address = 10.0.0.0
net_prefix = 8
gateway = 10.255.255.254
reserved = 10.0.0.2, 10.0.0.10 - 10.0.0.20 ,10.1.0.0/16
net_address6 = fd00:1::
net_prefix6 = 112
entry_order = Prefix, FQDN,,domain, base
quarantine = 1h30m
domain = example.net.
[service]
ec2_versions = /latest, 2009-04-04/,latest
[template-data]
_config_items_ = "dnsmasq.prefix", 'dnsmasq.domain'
`)
	d := c.Dnsmasq
	checks := []struct {
		name      string
		got, want any
	}{
		{"listen_address", c.Server.ListenAddress, netip.IPv4Unspecified()},
		{"userdata_suffixes", c.Server.UserdataSuffixes, []string{"", "", ".yaml"}},
		{"logfile", c.Server.LogFile, ""},
		{"template_path", c.Server.TemplatePath, []string{"/a", "/b"}},
		{"network", d.Network, netip.MustParsePrefix("10.0.0.0/8")},
		{"reserved", d.Reserved, []instance.AddrRange{{First: ip("10.0.0.2"), Last: ip("10.0.0.2")}, {First: ip("10.0.0.10"), Last: ip("10.0.0.20")}, {First: ip("10.1.0.0"), Last: ip("10.1.255.255")}}},
		{"network6", d.Network6, netip.MustParsePrefix("fd00:1::/112")},
		{"gateway6", d.Gateway6, ip("fd00:1::1")},
		{"entry_order", d.EntryOrder, []string{"prefix", "domain", "base"}},
		{"quarantine", d.Quarantine, 90 * time.Minute},
		{"domain", d.Domain, "example.net"},
		{"ec2_versions", c.Service.EC2Versions, []string{"latest", "2009-04-04"}},
		{"_config_items_", c.ConfigItems, []string{"dnsmasq.prefix", "dnsmasq.domain"}},
	}
	for _, check := range checks {
		if !reflect.DeepEqual(check.got, check.want) {
			t.Errorf("%s is %#v, want %#v", check.name, check.got, check.want)
		}
	}
}

func TestEffective(t *testing.T) {
	path := write(t, "[mdserver]\n\nport = 8080\npassword = x\n")
	c, _, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	settings := c.Effective()
	for _, want := range []Setting{
		{"mdserver.port", "8080", path, 3},
		{"mdserver.database", "/var/lib/mdserver/mdserver.db", "", 0},
		{"mdserver.identity", "/var/lib/mdserver/identity.pem", "", 0},
		{"dnsmasq.quarantine", "1h", "", 0},
	} {
		if !slices.Contains(settings, want) {
			t.Errorf("%+v is not among the settings", want)
		}
	}
	for _, s := range settings {
		if s.Key == "mdserver.password" {
			t.Error("the password is among the settings")
		}
	}
}

func FuzzLoad(f *testing.F) {
	for name, text := range other {
		section, key, _ := strings.Cut(name, ".")
		f.Add("[" + section + "]\n" + key + " = " + text + "\n")
	}
	f.Add("[DEFAULT]\nx = %(y)s\n[dnsmasq]\ny = 1\nnet_prefix = 30\n[public-keys]\na = b\n\tc\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_include_") {
			return // it would read whatever file it names
		}
		path := dir + "/mdserver.conf"
		put(t, path, text)
		c, _, err := Load(path)
		if err != nil {
			if c != nil {
				t.Error("a configuration in spite of an error")
			}
			return
		}
		d := c.Dnsmasq
		if !d.Network.Contains(d.Gateway) || d.Network != d.Network.Masked() {
			t.Errorf("gateway %v of %v", d.Gateway, d.Network)
		}
		for _, text := range []string{d.NetName, d.User, d.Interface, d.Prefix, d.Domain, c.Server.UserdataDir, d.BaseDir} {
			if strings.ContainsAny(text, "\n\x00\r") {
				t.Errorf("%q would break out of its line", text)
			}
		}
		if strings.ContainsAny(d.NetName, "/") || strings.HasPrefix(d.NetName, ".") {
			t.Errorf("net_name %q leads elsewhere", d.NetName)
		}
		for _, k := range c.PublicKeys {
			if strings.ContainsAny(k.Key+k.Name, "\n\r") {
				t.Errorf("key %q", k)
			}
		}
	})
}
