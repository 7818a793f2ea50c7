//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mdserver/internal/doctor"
	"mdserver/test/lab"
)

// diagnosis is what `mdserver doctor --json` says in the lab's host, and its
// exit code.
func diagnosis(t *testing.T, l *lab.Lab, configFile string) (doctor.Report, int) {
	t.Helper()
	return readReport(t, l.Host.Command(suite.ctx, suite.binary, "doctor", "--json", "--config", configFile))
}

// readReport runs a doctor that prints JSON.
func readReport(t *testing.T, cmd *exec.Cmd) (doctor.Report, int) {
	t.Helper()
	out, err := cmd.Output()
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	var report doctor.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("doctor --json: %v\n%s", err, out)
	}
	return report, code
}

// wrongs are the findings of one check that are wrong.
func wrongs(report doctor.Report, check string) []doctor.Finding {
	return slices.DeleteFunc(slices.Clone(report.Findings), func(f doctor.Finding) bool {
		return f.Check != check || f.State != doctor.Wrong
	})
}

// patient is a lab whose server is well, but for what a network namespace
// cannot have.
type patient struct {
	*lab.Lab
	t      *testing.T
	server *lab.Server
	file   string
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	return &patient{l, t, s, s.ConfigFile}
}

// do runs a shell command in the host's namespace.
func (p *patient) do(command string) {
	p.t.Helper()
	if out, err := p.Host.Command(suite.ctx, "sh", "-c", command).CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// finds waits until a check finds something wrong that has these words.
func (p *patient) finds(check string, words ...string) doctor.Finding {
	p.t.Helper()
	var found doctor.Finding
	eventually(p.t, "the finding of "+check, func(context.Context) error {
		report, code := diagnosis(p.t, p.Lab, p.file)
		for _, f := range wrongs(report, check) {
			if containsAll(f.Text, words) {
				found = f
				equal(p.t, "the exit code", strconv.Itoa(code), "1")
				return nil
			}
		}
		return errors.New("not found in: " + describe(report))
	})
	return found
}

// well waits until a check finds nothing wrong any more.
func (p *patient) well(check string) {
	p.t.Helper()
	eventually(p.t, check, func(context.Context) error {
		report, _ := diagnosis(p.t, p.Lab, p.file)
		if len(wrongs(report, check)) > 0 {
			return errors.New(describe(report))
		}
		return nil
	})
}

func containsAll(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func describe(report doctor.Report) string {
	text, _ := json.MarshalIndent(report, "", " ")
	return string(text)
}

// Each fault is made for real; the remedy that doctor names mends it.
func TestDoctorFindsAndMends(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fault, check string
		words              []string
	}{
		{"address removed", "ip address del 169.254.169.254/32 dev br-mds", "bridge", []string{"169.254.169.254"}},
		{"gateway removed", "ip address del 10.122.0.1/16 dev br-mds", "bridge", []string{"10.122.0.1"}},
		{"bridge down", "ip link set br-mds down", "bridge", []string{"down"}},
		{"DHCP dropped by nftables", "nft add table inet filter && nft add chain inet filter input '{ type filter hook input priority 0; policy accept; }'" +
			" && nft add rule inet filter input iifname br-mds udp dport '{ 53, 67 }' drop", "firewall", []string{"udp port 67"}},
		{"policy that drops", "nft add table inet strict && nft add chain inet strict input '{ type filter hook input priority 0; policy drop; }'" +
			" && nft add rule inet strict input ct state established,related accept", "firewall", []string{"tcp port 80", "policy"}},
		{"HTTP dropped by iptables", "iptables -A INPUT -i br-mds -p tcp -m tcp --dport 80 -j REJECT", "firewall", []string{"tcp port 80", "iptables"}},
		{"another way to the guests", "ip link add elsewhere type bridge && ip link set elsewhere up && ip route add 10.122.0.0/17 dev elsewhere",
			"route", []string{"elsewhere"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			p.well(tt.check)
			p.do(tt.fault)
			p.carryOut(tt.check, p.finds(tt.check, tt.words...))
		})
	}
}

// carryOut types the remedies of all that a check finds wrong, and sees that
// it finds nothing wrong then. Commands that need libvirt, an editor or a
// person are left out.
func (p *patient) carryOut(check string, first doctor.Finding) {
	p.t.Helper()
	if len(first.Remedy) == 0 {
		p.t.Fatalf("no remedy for %q", first.Text)
	}
	report, _ := diagnosis(p.t, p.Lab, p.file)
	for _, f := range wrongs(report, check) {
		for _, command := range f.Remedy {
			if !strings.HasPrefix(command, "virsh ") {
				p.do(command)
			}
		}
	}
	p.well(check)
}

// Somebody else has the port, and the server cannot start.
func TestDoctorPortTaken(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	if err := p.server.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	thief, err := p.Host.Start("thief", nil, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--port=80", "--pid-file=")
	if err != nil {
		t.Fatal(err)
	}
	f := p.finds("port", "dnsmasq", strconv.Itoa(thief.Pid()))
	p.finds("server", "does not run")
	p.carryOut("port", f)
	start(t, p.server)
	p.well("server")
	p.well("port")
}

// A dnsmasq that takes all addresses is in ours' way; beside it, with
// bind-dynamic, it is not.
func TestDoctorDnsmasqClash(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	if err := p.server.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	other, err := p.Host.Start("other", nil, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root",
		"--dhcp-range=192.0.2.10,192.0.2.20", "--dhcp-leasefile="+p.Path("leases"), "--pid-file=")
	if err != nil {
		t.Fatal(err)
	}
	f := p.finds("dnsmasq clash", "dnsmasq", "udp 0.0.0.0:53", "bind-dynamic")
	p.do(f.Remedy[0])
	eventually(t, "the other dnsmasq's end", func(context.Context) error {
		if other.Alive() {
			return errors.New("it lives")
		}
		return nil
	})
	again := strings.Fields(f.Remedy[1])
	if _, err := p.Host.Start("tamed", nil, again[0], again[1:]...); err != nil {
		t.Fatal(err)
	}
	start(t, p.server)
	p.well("dnsmasq clash")
	p.well("dnsmasq")
}

// With IPv6 configured and not on the bridge, guests wait for it in vain.
func TestDoctorIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("dnsmasq", "net_address6", "fd00:122::").Set("mdserver", "listen_address6", ""))
	p := &patient{l, t, s, s.ConfigFile}
	f := p.finds("bridge", "fd00:122::1", "cloud-init waits")
	p.do("sysctl -qw net.ipv6.conf.br-mds.disable_ipv6=0")
	p.carryOut("bridge", f)
}

// Whoever may not look is told so, and nothing is called wrong because of it.
func TestDoctorWithoutRights(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	report, _ := readReport(t, p.Host.Command(suite.ctx, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		suite.binary, "doctor", "--json", "--config", p.file))
	for _, check := range []string{"server", "firewall", "port"} {
		if found := wrongs(report, check); len(found) > 0 {
			t.Errorf("%s: %+v", check, found)
		}
	}
	unknown := slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool {
		return f.Check == "server" && f.State == doctor.Unknown && strings.Contains(f.Text, "no access")
	})
	if !unknown {
		t.Errorf("nothing says that the server could not be asked: %s", describe(report))
	}
}

// The data is another user's.
func TestDoctorData(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.do("chmod 644 " + p.Path("state", "mdserver.db"))
	p.carryOut("data", p.finds("data", "everybody"))

	if err := p.server.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Path("state", "mdserver.db"), []byte(strings.Repeat("garbage ", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range p.finds("database", "damaged").Remedy {
		p.do(command)
	}
	p.well("database")
}

// Two guests of an imported database share a name in DNS, by the prefix. It is
// found while the server runs and while it does not; what the remedy makes of
// the second one's name mends it.
func TestDoctorNames(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if _, err := l.WriteFile("state/db_file.json", `[
 {"domain_name": "web", "domain_uuid": "7e5a544d-d555-4133-a443-8229415b6001", "domain_metadata": {}, "mds_mac": "52:54:00:60:00:01", "mds_ipv4": "10.122.6.1", "mds_ipv6": null, "first_seen": 1594545538.0, "last_update": 1594545616.0},
 {"domain_name": "lab-web", "domain_uuid": "7e5a544d-d555-4133-a443-8229415b6002", "domain_metadata": {}, "mds_mac": "52:54:00:60:00:02", "mds_ipv4": "10.122.6.2", "mds_ipv6": null, "first_seen": 1594545539.0, "last_update": 1594545616.0}]`); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, l, l.Config().Set("dnsmasq", "prefix", "lab-").Set("dnsmasq", "entry_order", "base,prefix"))
	p := &patient{l, t, s, s.ConfigFile}
	f := p.finds("names", `"web" and "lab-web"`, "lab-web in DNS")
	if err := s.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	p.finds("names", `"web" and "lab-web"`)
	start(t, s)
	renamed := strings.Fields(f.Remedy[0])
	equal(t, "the remedy", strings.Join(renamed[:3], " "), "virsh domrename lab-web")
	uploadXML(t, s, strings.NewReplacer("machine", renamed[3], machineUUID(1), "7e5a544d-d555-4133-a443-8229415b6002", machineMAC(1, 1), "52:54:00:60:00:02").
		Replace(machine("machine", 1, 1)))
	p.well("names")
}

// What the server must write is another user's, and that user is not root.
func TestDoctorRights(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	if err := p.server.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	p.do("chown -R 65534:65534 " + p.Path("state") + " " + p.Path("run") + " " + p.Path("log") + " " + p.Path("dnsmasq"))
	caps := "+net_bind_service,+net_admin,+net_raw"
	unprivileged, err := p.WriteFile("bin/mdserver", "#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps="+caps+
		" --ambient-caps="+caps+" '"+p.Path("bin", "program")+"' \"$@\"\n")
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, suite.binary, p.Path("bin", "program"))
	p.do("chmod 755 " + unprivileged)
	s := p.ServerFor(unprivileged, p.file, "http://"+lab.MetadataAddr)
	start(t, s)
	p.well("data")
	p.do("chown 0:0 " + p.Path("state") + " && chmod 700 " + p.Path("state"))
	p.carryOut("data", p.finds("data", "nobody cannot use", p.Path("state")))
	p.do("chmod 700 " + p.Path("userdata"))
	p.carryOut("data", p.finds("data", "nobody cannot use", p.Path("userdata")))
}

// No interface has the metadata address any more: without another route there
// is none, with one the packets leave.
func TestDoctorNoRoute(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.well("route")
	p.do("ip address del 169.254.169.254/32 dev br-mds")
	p.carryOut("route", p.finds("route", "no route to 169.254.169.254"))
	p.do("ip address del 169.254.169.254/32 dev br-mds && ip link add uplink type bridge && ip address add 192.0.2.1/24 dev uplink" +
		" && ip link set uplink up && ip route add default via 192.0.2.2")
	p.carryOut("route", p.finds("route", "169.254.169.254 leave this host by uplink"))
}

// The clock is judged as the kernel does.
func TestDoctorClock(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	report, _ := diagnosis(t, p.Lab, p.file)
	state, err := unix.Adjtimex(&unix.Timex{})
	if err != nil {
		t.Fatal(err)
	}
	want := doctor.OK
	if state == unix.TIME_ERROR {
		want = doctor.Warning
	}
	for _, f := range report.Findings {
		if f.Check == "clock" && f.State != want {
			t.Errorf("%+v, want %s", f, want)
		}
	}
}
