//go:build e2e

package e2e

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"

	"mdserver/test/lab"
)

// Whoever takes dnsmasq over can use nothing of the server's.
func TestDnsmasqCannotUseTheServersFiles(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "debug_userdata", "yes"))
	guest := place(t, l, register(t, s, "web1"))
	get(t, guest, "/latest/user-data")
	get(t, guest, "/latest/dynamic/instance-identity/document")
	pid, err := s.DnsmasqChild(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	wantOwnUser(t, pid)

	tried := 0
	own := l.Path("run", "dnsmasq") // its pid-file
	for _, dir := range []string{l.Path("state"), l.Path("run"), l.Path("log", "mdserver-file.log")} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(path, own):
			case entry.Type() == fs.ModeSocket:
				tried++
				asNobody(t, "curl", "--silent", "--unix-socket", path, "http://mdserver/v1/status")
			case entry.Type().IsRegular() && path != l.Path("run", "mds.pid"):
				tried++
				asNobody(t, "cat", path)
				asNobody(t, "sh", "-c", `echo >>"$1"`, "sh", path)
			case entry.IsDir():
				asNobody(t, "touch", filepath.Join(path, "planted"))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for _, dir := range []string{"dnsmasq", "dnsmasq/dhcp.d", "dnsmasq/dns.d", "dnsmasq/tmp"} {
		asNobody(t, "touch", filepath.Join(l.Path(dir), "planted"))
	}
	asNobody(t, "cat", fmt.Sprintf("/proc/%d/environ", s.Pid()))
	asNobody(t, "kill", fmt.Sprint(s.Pid()))
	if tried < 4 { // database, key, log, socket
		t.Errorf("only %d files were tried", tried)
	}
	report, _ := diagnosis(t, l, s.ConfigFile)
	contains(t, "doctor", describe(report), "dnsmasq cannot use the server's files")
}

// wantOwnUser checks what the kernel says of a dnsmasq.
func wantOwnUser(t *testing.T, pid int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("\t%d\t%d\t%d\t%d\n", nobody, nobody, nobody, nobody)
	contains(t, "dnsmasq's status", string(text), "\nUid:"+id, "\nGid:"+id, "\nGroups:\t \n", "\nCapEff:\t0000000000003400\n")
}

// asNobody runs a command as dnsmasq's user, and it must fail.
func asNobody(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(suite.ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); !failed {
		t.Errorf("dnsmasq's user can %s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// A neighbour declines a guest's address in its name. The guest boots all the
// same, and explain tells what happened.
func TestForgedDecline(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	victim, neighbour := register(t, s, "web1"), place(t, l, register(t, s, "web2"))
	err := neighbour.Do(func() error {
		client, err := nclient4.New("eth0", nclient4.WithTimeout(50*time.Millisecond), nclient4.WithRetry(1))
		if err != nil {
			return err
		}
		defer client.Close()
		mac, err := net.ParseMAC(victim.MAC)
		if err != nil {
			return err
		}
		message, err := dhcpv4.New(dhcpv4.WithMessageType(dhcpv4.MessageTypeDecline), dhcpv4.WithHwAddr(mac),
			dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(lab.Gateway))),
			dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(victim.IPv4.AsSlice())))
		if err != nil {
			return err
		}
		if _, err := client.SendAndRead(suite.ctx, &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort}, message, nil); err == nil {
			return fmt.Errorf("somebody answers a DHCPDECLINE")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, lease := boot(t, l, victim); lease.IP != victim.IPv4 {
		t.Errorf("the guest gets %s, want %s", lease.IP, victim.IPv4)
	}
	contains(t, "what explain tells", strings.Join(explained(t, s, "web1").Missing, "\n"), "a DHCPDECLINE with its MAC address arrived at")
}
