package packaging_test

import (
	"bytes"
	"encoding/xml"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/programtest"
	"mdserver/packaging"
)

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := packaging.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func write(t *testing.T, name, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func TestReadUnknown(t *testing.T) {
	if _, err := packaging.Read("etc/none"); err == nil || !strings.Contains(err.Error(), "etc/none") {
		t.Errorf("error %v", err)
	}
}

// systemd checks the units in a tree that has the programs they name. Its own
// units stand in for those of libvirt, which need not be there.
func TestUnitsVerify(t *testing.T) {
	programtest.Need(t, "systemd-analyze", "systemd")
	root := t.TempDir()
	for _, program := range []string{"/usr/local/bin/mdserver", "/usr/sbin/dnsmasq", "/bin/kill"} {
		write(t, root+program, "#!/bin/sh\n", 0o755)
	}
	for _, unit := range []string{"sysinit.target", "basic.target", "shutdown.target", "network-online.target"} {
		write(t, root+"/etc/systemd/system/"+unit, "[Unit]\n", 0o644)
	}
	for _, unit := range units {
		write(t, root+"/etc/systemd/system/"+unit, read(t, "systemd/"+unit), 0o644)
		out, err := exec.Command("systemd-analyze", "verify", "--root", root, unit).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}

var units = []string{"mdserver.service", "mdserver-dnsmasq.service", "mdserver-launcher.service"}

// systemd rates what a unit may do, from 0 to 10. The threshold is ten times
// that, and is exceeded by what is above it.
func TestUnitsAreConfined(t *testing.T) {
	programtest.Need(t, "systemd-analyze", "systemd")
	const below2 = "--threshold=19"
	for _, unit := range units {
		name := filepath.Join(t.TempDir(), unit)
		write(t, name, read(t, "systemd/"+unit), 0o644)
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", below2, name).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Overall exposure level for "+unit) {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}

// No unit has the right to become another user, or to signal another's
// processes: that would make it as good as root.
func TestUnitsChangeNoUser(t *testing.T) {
	for _, unit := range units {
		for line := range strings.Lines(read(t, "systemd/"+unit)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if !strings.HasSuffix(name, "Capabilities") && name != "CapabilityBoundingSet" {
				continue
			}
			if value != "CAP_NET_BIND_SERVICE CAP_NET_ADMIN CAP_NET_RAW" {
				t.Errorf("%s: %s", unit, line)
			}
		}
	}
}

// The network is the one that mdserver.conf takes for granted.
func TestNetworkFitsDefaults(t *testing.T) {
	var network struct {
		Name   string `xml:"name"`
		Bridge struct {
			Name string `xml:"name,attr"`
			STP  string `xml:"stp,attr"`
		} `xml:"bridge"`
		DNS struct {
			Enable string `xml:"enable,attr"`
		} `xml:"dns"`
		IPs []struct {
			Address string    `xml:"address,attr"`
			Prefix  string    `xml:"prefix,attr"`
			DHCP    *struct{} `xml:"dhcp"`
		} `xml:"ip"`
	}
	if err := xml.Unmarshal([]byte(read(t, "libvirt/mds-network.xml")), &network); err != nil {
		t.Fatal(err)
	}
	defaults := config.Default()
	if network.Name != defaults.Dnsmasq.NetName || network.Bridge.Name != defaults.Dnsmasq.Interface {
		t.Errorf("network %q on bridge %q, want %q on %q",
			network.Name, network.Bridge.Name, defaults.Dnsmasq.NetName, defaults.Dnsmasq.Interface)
	}
	if network.Bridge.STP != "off" || network.DNS.Enable != "no" {
		t.Errorf("stp %q, dns %q", network.Bridge.STP, network.DNS.Enable)
	}
	want := []netip.Prefix{
		netip.PrefixFrom(defaults.Dnsmasq.Gateway, defaults.Dnsmasq.Network.Bits()),
		netip.PrefixFrom(defaults.Server.ListenAddress, 32),
	}
	if len(network.IPs) != len(want) {
		t.Fatalf("addresses %v, want %v", network.IPs, want)
	}
	for i, ip := range network.IPs {
		if ip.Address+"/"+ip.Prefix != want[i].String() || ip.DHCP != nil {
			t.Errorf("address %v, want %v without DHCP", ip, want[i])
		}
	}
}

// hook makes libvirt's hook call another program than the installed one.
func hook(t *testing.T, program string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hook")
	write(t, name, strings.ReplaceAll(read(t, "libvirt/qemu.d/mdserver"), "/usr/local/bin/mdserver", program), 0o755)
	return name
}

// runHook runs it as libvirt does. A hook that fails stops a guest's start, and
// what "migrate begin" prints is taken for the domain's new definition.
func runHook(t *testing.T, hook string, operation ...string) {
	t.Helper()
	cmd := exec.Command(hook, append([]string{"web 1"}, operation...)...)
	cmd.Stdin = strings.NewReader("<domain/>\n")
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("the hook ends with %v and prints %q", err, out)
	}
}

// Of all that libvirt tells of, the program is called for a start, for a guest that is
// received and for a stop: no other call has to start a process.
func TestHookCallsTheProgram(t *testing.T) {
	for operation, called := range map[string]bool{
		"prepare begin -": true, "migrate begin -": true, "release end -": true, "release end migrated": true,
		"start begin -": false, "started begin -": false, "stopped end shutdown": false, "release begin -": false,
		"reconnect begin -": false, "restore begin -": false, "prepare end -": false, "": false,
	} {
		t.Run(operation, func(t *testing.T) {
			dir := t.TempDir()
			program, got := filepath.Join(dir, "mdserver"), filepath.Join(dir, "got")
			write(t, program, "#!/bin/sh\n(printf '%s|' \"$@\"; cat) > "+got+"\n", 0o755)
			runHook(t, hook(t, program), strings.Fields(operation)...)
			content, err := os.ReadFile(got)
			if !called {
				if err == nil {
					t.Errorf("the program was called: %q", content)
				}
				return
			}
			if want := "hook|web 1|" + strings.ReplaceAll(operation, " ", "|") + "|<domain/>\n"; err != nil || string(content) != want {
				t.Errorf("the program got %q, %v, want %q", content, err, want)
			}
		})
	}
}

func TestHookNeverFailsNorPrints(t *testing.T) {
	for name, program := range map[string]string{
		"missing": "",
		"failing": "#!/bin/sh\necho out; echo err >&2; exit 1\n",
		"killed":  "#!/bin/sh\nkill -SEGV $$\n",
		"hanging": "#!/bin/sh\nexec sleep 600\n",
		"broken":  "#!/does/not/exist\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mdserver")
			if program != "" {
				write(t, path, program, 0o755)
			}
			name := hook(t, path)
			t.Parallel() // once all are written: a program that is open in a process just forked cannot be run
			runHook(t, name, "prepare", "begin", "-")
		})
	}
}

// logrotate and systemd-tmpfiles speak of the log file that is the default.
func TestLogFileIsTheDefault(t *testing.T) {
	logFile := config.Default().Server.LogFile
	for _, name := range []string{"tmpfiles.d/mdserver.conf", "logrotate.d/mdserver"} {
		if !bytes.Contains([]byte(read(t, name)), []byte(logFile+" ")) {
			t.Errorf("%s does not speak of %s", name, logFile)
		}
	}
}
