package config

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// TestProblems: one wrong value each. The file's name is cut off; %s stands
// for nothing else.
func TestProblems(t *testing.T) {
	tests := []struct{ text, want string }{
		{"[mdserver]\nport = http", `2: mdserver.port = "http": not a whole number, accepted: a whole number from 1 to 65535`},
		{"[mdserver]\nport = 0", `2: mdserver.port = "0": out of range, accepted: a whole number from 1 to 65535`},
		{"[mdserver]\n\nport = 99999999999999999999", `3: mdserver.port = "99999999999999999999": out of range, accepted: a whole number from 1 to 65535`},
		{"[mdserver]\nport = 80 # http", `2: mdserver.port = "80 # http": not a whole number, accepted: a whole number from 1 to 65535`},
		{"[mdserver]\nport =", `2: mdserver.port = "": not a whole number, accepted: a whole number from 1 to 65535`},
		{"[mdserver]\nlisten_address = localhost", `2: mdserver.listen_address = "localhost": not an IP address, accepted: an IP address, or nothing for every IPv4 address`},
		{"[mdserver]\ndebug = maybe", `2: mdserver.debug = "maybe": neither yes nor no, accepted: yes, no, true, false, on, off, 1 or 0`},
		{"[mdserver]\nuserdata_dir =", `2: mdserver.userdata_dir = "": nothing is set, accepted: a path without line breaks`},
		{"[mdserver]\nlogfile = /a\n /b", `2: mdserver.logfile = "/a\n/b": has a line break or a control character, accepted: a path without line breaks, or nothing`},
		{"[mdserver]\nuserdata_suffixes = .yaml:/etc", `2: mdserver.userdata_suffixes = ".yaml:/etc": has a slash, accepted: file name suffixes, separated by colons, nothing for the bare name`},
		{"[mdserver]\npassword = a\n b", `2: mdserver.password: has a line break or a control character (the value is secret), accepted: text on one line, or nothing`},
		{"[mdserver]\nsocket = /" + strings.Repeat("x", 110), `too long for a Unix socket, accepted: a path of at most 107 bytes`},
		{"[mdserver]\ntemplate_escape = xml", `2: mdserver.template_escape = "xml": not one of the choices, accepted: html or none`},
		{"[mdserver]\ndb_file = /x/mdserver.db", `2: mdserver.db_file = "/x/mdserver.db": is the same file`},
		{"[mdserver]\nidentity = /x/../x/mdserver.db\ndatabase = /x/mdserver.db", `2: mdserver.identity = "/x/../x/mdserver.db": is the same file as mdserver.database`},
		{"[mdserver]\nidentity = /x/mdserver.db\ndatabase = /x/../x/mdserver.db", `2: mdserver.identity = "/x/mdserver.db": is the same file as mdserver.database`},
		{"[mdserver]\ndb_file = /x/identity.pem", `2: mdserver.db_file = "/x/identity.pem": is the same file as mdserver.db_file`},
		{"[mdserver]\nidentity =", `2: mdserver.identity = "": nothing is set, accepted: a path without line breaks`},
		{"[loglevels]\nbase = loud", `2: loglevels.base = "loud": not a log level, accepted: debug, info, warning, error or critical`},
		{"[dnsmasq]\nnet_prefix = x", `2: dnsmasq.net_prefix = "x": not a whole number, accepted: a whole number from 1 to 30`},
		{"[dnsmasq]\nnet_prefix = 31", `2: dnsmasq.net_prefix = "31": out of range, accepted: a whole number from 1 to 30`},
		{"[dnsmasq]\nnet_address = 10.0.0.0/8", `2: dnsmasq.net_address = "10.0.0.0/8": not an IPv4 address, accepted: an IPv4 address`},
		{"[dnsmasq]\ngateway = 10.9.0.1", `2: dnsmasq.gateway = "10.9.0.1": the gateway 10.9.0.1 is not in the network 10.122.0.0/16, accepted: a gateway within the network, from 10.122.0.1 to 10.122.255.254`},
		{"[dnsmasq]\nnet_address = 10.0.0.0", `2: dnsmasq.net_address = "10.0.0.0": the gateway 10.122.0.1 is not in the network 10.0.0.0/16, accepted: a gateway within`},
		{"[dnsmasq]\nnet_prefix = 28\ngateway = 10.122.0.15", `3: dnsmasq.gateway = "10.122.0.15": the gateway 10.122.0.15 is the broadcast address, accepted: a gateway within the network, from 10.122.0.1 to 10.122.0.14`},
		{"[dnsmasq]\ngateway = 10.122.0.0", `the address of the network itself, accepted`},
		{"[dnsmasq]\nnet_name = ../x", `2: dnsmasq.net_name = "../x": begins with ., accepted: a name of letters`},
		{"[dnsmasq]\nnet_name = -x", `begins with -, accepted`},
		{"[dnsmasq]\nnet_name = a/b", `has a character that a name must not have, accepted`},
		{"[dnsmasq]\nuser = root\n dhcp-script=/x", `has a character that a name must not have, accepted`},
		{"[dnsmasq]\ninterface = averyverylongname", `too long, accepted`},
		{"[dnsmasq]\nlease_len = 1d", `2: dnsmasq.lease_len = "1d": not a whole number, accepted: a whole number of seconds from 1 to 4294967294`},
		{"[dnsmasq]\nprefix = yes", `2: dnsmasq.prefix = "yes": only says that it is on, not what it is, accepted: the beginning of a DNS name`},
		{"[dnsmasq]\nprefix = a_", `has a character that a DNS name must not have, accepted`},
		{"[dnsmasq]\nprefix = -a", `has a label that begins or ends with -, accepted`},
		{"[dnsmasq]\ndomain = a..b", `has an empty label, accepted`},
		{"[dnsmasq]\ndomain = " + strings.Repeat("a", 64), `has a label of more than 63 characters, accepted`},
		{"[dnsmasq]\nentry_order = base,name", `2: dnsmasq.entry_order = "base,name": has a word that names no form, accepted: base, prefix, domain and fqdn`},
		{"[dnsmasq]\nentry_order = ,", `nothing is set, accepted: base`},
		{"[dnsmasq]\nreserved = 10.122.0.9-10.122.0.2", `has a range that ends before it begins, accepted`},
		{"[dnsmasq]\nreserved = fd00::1", `has an element that is not an IPv4 address, range or network, accepted`},
		{"[dnsmasq]\nreserved = 10.0.0.1-fd00::1", `has an element that is not an IPv4 address, range or network, accepted`},
		{"[dnsmasq]\nnet_address6 = 10.0.0.0", `not an IPv6 address, accepted`},
		{"[dnsmasq]\nnet_address6 = fd00::\ngateway6 = fd01::1", `3: dnsmasq.gateway6 = "fd01::1": the gateway fd01::1 is not a host address in the network fd00::/64`},
		{"[dnsmasq]\nnet_address6 = fd00:122::\nnet_prefix6 = 56", `3: dnsmasq.net_prefix6 = "56": out of range, accepted: a whole number from 64 to 126`},
		{"[network lan]\ninterface = br-lan\nnet_address = 10.50.0.0\nnet_address6 = fd00:50::\nnet_prefix6 = 63", `5: network lan.net_prefix6 = "63": out of range, accepted: a whole number from 64 to 126`},
		{"[dnsmasq]\nbase_dir = /a,b", `2: dnsmasq.base_dir = "/a,b": has the character ',', which dnsmasq's files cannot hold, accepted: a path without commas`},
		{"[dnsmasq]\nbase_dir = /a#b\nrun = off", `2: dnsmasq.base_dir = "/a#b": has the character '#', which dnsmasq's files cannot hold`},
		{"[dnsmasq]\nrun_dir = /a\"b", `2: dnsmasq.run_dir = "/a\"b": has the character '"', which dnsmasq's files cannot hold`},
		{"[dnsmasq]\nquarantine = soon", `not a duration, accepted: a duration such as 90s`},
		{"[dnsmasq]\nquarantine = -5", `out of range, accepted`},
		{"[dnsmasq]\nrun = maybe", `not one of the choices, accepted: child, external or off`},
		{"[service]\nec2_versions = ,", `2: service.ec2_versions = ",": nothing is set, accepted`},
		{"[service]\nec2_versions = a b", `has a character that a version must not have, accepted`},
		{"[service]\nec2_versions = ../x", `has an empty element, or one that begins with a dot, accepted`},
		{"[public-keys]\nops = ssh-rsa\n AAAA", `2: public-keys.ops: has a line break or a control character (the value is secret), accepted: an OpenSSH public key on one line`},
		{"[mdserver]\nport = 1\nport = 2", `3: mdserver.port: set twice in this file, first on line 2, accepted: each key once in a section`},
		{"port = 1", `1: text before the first section, accepted`},
		{"[mdserver]\nhello", `2: [mdserver]: neither a section, a key nor a comment, accepted`},
		{"[mdserver]\nuserdata_dir = %(etc)s/x", `2: mdserver.userdata_dir: refers to a key that is not set, accepted`},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			path := write(t, tt.text)
			c, _, err := Load(path)
			if err == nil || c != nil {
				t.Fatalf("%q is accepted", tt.text)
			}
			got := strings.TrimPrefix(err.Error(), path+":")
			if strings.Contains(got, "\n") || !strings.Contains(got, tt.want) || got == err.Error() {
				t.Errorf("%q gives\n%s\nwant\n%s", tt.text, got, tt.want)
			}
		})
	}
}

// TestAllProblemsAtOnce: in the order of the files and their lines.
func TestAllProblemsAtOnce(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "b.conf")
	more := filepath.Join(dir, "a.conf")
	put(t, main, "[dnsmasq]\nnet_prefix = 99\n[mdserver]\nport = x\nport = y\n[_include_]\nfiles = "+more+"\n")
	put(t, more, "[mdserver]\ndebug = x\n")
	_, _, err := Load(main)
	var places []string
	for line := range strings.Lines(err.Error()) {
		place, _, _ := strings.Cut(strings.TrimPrefix(line, dir), ": ")
		places = append(places, place)
	}
	if got := strings.Join(places, " "); got != "/b.conf:2 /b.conf:4 /b.conf:5 /a.conf:2" {
		t.Errorf("problems at %s", got)
	}
	if _, ok := err.(interface{ Unwrap() []error }); !ok {
		t.Errorf("%T joins no errors", err)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct{ text, want string }{
		{"[mdserver]\nprot = 80", "2: mdserver.prot: unknown key, the nearest known one is mdserver.port"},
		{"[mdserver]\ngateway = 10.122.0.1", "2: mdserver.gateway: unknown key, the nearest known one is dnsmasq.gateway"},
		{"[mdserver]\nlog_level = info", "2: mdserver.log_level: unknown key, the nearest known one is mdserver.logfile"},
		{"[dnsmasq]\nxyzzyqwerty = 1", "2: dnsmasq.xyzzyqwerty: unknown key"},
		{"[mdserver]\npo\x1b[2Jrt = 1", `2: "mdserver.po\x1b[2jrt": unknown key, the nearest known one is mdserver.port`},
		{"[Dnsmasq]\ninterface = br0", "1: [Dnsmasq]: unknown section, the nearest known one is [dnsmasq]"},
		{"[public_keys]\nx = y", "1: [public_keys]: unknown section, the nearest known one is [public-keys]"},
		{"[mdserver]\nloglevel = debug", "2: mdserver.loglevel: is now loglevels.base; please rename it"},
		{"[mdserver]\nport = '80'", "2: mdserver.port: the quotes are not part of the value and are dropped"},
		{"[mdserver]\nuserdata_dir = \"/x\"", "2: mdserver.userdata_dir: the quotes are not part of the value and are dropped"},
		{"[dnsmasq]\nnet_address = 10.122.3.4", "2: dnsmasq.net_address: is an address within the network, which is 10.122.0.0/16"},
		{"[dnsmasq]\nreserved = 10.9.0.0/24", "2: dnsmasq.reserved: 10.9.0.0-10.9.0.255 is outside the network 10.122.0.0/16"},
		{"[dnsmasq]\ngateway6 = fd00::1", "2: dnsmasq.gateway6: has no effect without dnsmasq.net_address6"},
		{"[dnsmasq]\nlease_len = 60", "2: dnsmasq.lease_len: dnsmasq's minimum is 120 seconds"},
		{"[public-keys]\ndefault = not a real key", "2: public-keys.default: does not look like an OpenSSH public key, guests get it unchanged"},
		{"[public-keys]\nops =", "2: public-keys.ops: is empty and is ignored"},
		{"[public-keys]\na/b = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleKeyOne x", "2: public-keys.a/b: has a slash in its name, guests can fetch it by its number only"},
		{"[template-data]\n_config_items_ = dnsmasq.domian", `2: template-data._config_items_: names "dnsmasq.domian", which is not a key and is ignored, the nearest known one is dnsmasq.domain`},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			path := write(t, tt.text)
			_, warnings, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) != 1 || warnings[0].Level != slog.LevelWarn {
				t.Fatalf("%d warnings: %v", len(warnings), warnings)
			}
			if got := warnings[0].String(); got != path+":"+tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestQuiet: what must not give a warning.
func TestQuiet(t *testing.T) {
	for _, text := range []string{
		"",
		"[DEFAULT]\nroot = /srv\n[mdserver]\nuserdata_dir = %(root)s/userdata\n[dnsmasq]\nbase_dir = %(root)s/dnsmasq\n",
		"[public-keys]\ndefault = __NOT_CONFIGURED__\n",
		"[public-keys]\na = from=\"10.0.0.0/8\",no-pty ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleKeyOne x\n",
		"[public-keys]\na = ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA== x\n",
		"[template-data]\n_config_items_ = 'dnsmasq.prefix,dnsmasq.domain'\n",
		"[template-data]\n_config_items_ = dnsmasq.quarantine, template-data.x\nx = 'quotes stay'\n",
	} {
		if _, warnings := mustLoad(t, text); len(warnings) > 0 {
			t.Errorf("%q: %v", text, warnings)
		}
	}
}

func TestOldNameWins(t *testing.T) {
	c, warnings := mustLoad(t, "[mdserver]\nloglevel = error\n[loglevels]\nbase = debug\n")
	if c.LogLevels.Base != slog.LevelError {
		t.Errorf("the base level is %v", c.LogLevels.Base)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0].Text, "is now loglevels.base and overrides the value of ") {
		t.Errorf("%v", warnings)
	}
	for _, v := range c.Values() {
		if v.Key == "mdserver.loglevel" {
			t.Error("the old name is still among the values")
		}
		if v.Key == "loglevels.base" && v.Value != "error" {
			t.Errorf("templates see %v", v.Value)
		}
	}
}

// TestSecretsStaySecret looks for secrets in all that gets printed.
func TestSecretsStaySecret(t *testing.T) {
	const bad = "[mdserver]\npassword = s3cret\n\ts3cret\npasword = s3cret\ns3cret\n[public-keys]\nx = s3cret\n\ts3cret\n" +
		"[template-data]\ny = s3cret\ny = s3cret\n[DEFAULT]\npw = s3cret\n"
	_, warnings, err := Load(write(t, bad))
	if printed := fmt.Sprint(err, warnings); strings.Contains(printed, "s3cret") || !strings.Contains(printed, "mdserver.password: has a line break") {
		t.Errorf("messages:\n%s", printed)
	}

	const good = "[mdserver]\npassword = s3cret\npasword = s3cret\n[public-keys]\nx = s3cret\n[template-data]\ny = s3cret\n" +
		"[DEFAULT]\npw = s3cret\n[passwd]\nx = s3cret\n"
	c, warnings := mustLoad(t, good)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("loaded", "config", c, "copy", *c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("loaded", "config", c, "copy", *c)
	printed := fmt.Sprintf("%v %+v %v %v %v %s", c, *c, warnings, c.Dump(), c.Effective(), log.String())
	if strings.Contains(printed, "s3cret") {
		t.Errorf("printed:\n%s", printed)
	}
	if c.Server.Password != "s3cret" || !c.Server.PasswordSet {
		t.Error("the password is not set")
	}
}
