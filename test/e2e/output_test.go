//go:build e2e

package e2e

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"

	"mdserver/internal/visible"
	"mdserver/test/lab"
)

// mustBeVisible checks that an output holds lines of visible characters alone,
// and no line that begins as a forged one would.
func mustBeVisible(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if visible.String(line) != line || strings.HasPrefix(line, "forged") || len(line) > 4096 {
			t.Errorf("%s has a line of %d bytes: %.300q", what, len(line), line)
		}
	}
}

const hostileDomain = `<domain type='kvm'>
  <name>web&#x202e;1&#x9b;31m&#x2028;</name>
  <uuid>7e5a544d-d555-4133-a443-8229415be7aa</uuid>
  <metadata>
    <m:instance xmlns:m="urn:md_server:domain_metadata"><m:rack>&#x9b;31m&#10;forged</m:rack></m:instance>
  </metadata>
  <devices>
    <interface type='network'><mac address='52:54:00:09:00:aa'/><source network='mds'/></interface>
  </devices>
</domain>`

// What a guest asks for, and what it is called, is harmless wherever a person
// reads of it.
func TestHostileGuestInOutputs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	uploadXML(t, s, hostileDomain)
	const mac = "52:54:00:09:00:aa"
	about := show(t, s, mac)
	about.Name = "hostile" // as a name of namespaces
	guest := place(t, l, about)
	for _, line := range []string{
		strings.Repeat("M", 15_000) + " /latest/",
		"GET /latest/%1b]0;x%07%1b[31m%0d%0aforged",
		"GET /latest/\x9b31m\xff\xc0\x9b",
		"GET /latest/%c2%9b31m%e2%80%ae%e2%80%a8%e2%80%8b%f3%a0%81%81%ef%b8%8f",
		"GET /" + strings.Repeat("%01", 5000),
		"GET /latest/%00%7f%c2%85forged",
	} {
		if answer := raw(t, guest, line+" HTTP/1.1\r\nHost: "+lab.MetadataAddr+"\r\nUser-Agent: \x9b31m\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 4") {
			t.Errorf("%.80q: %.200q", line, answer)
		}
	}
	post := "\u009b31m\u202e\x1b[31m"
	raw(t, guest, fmt.Sprintf("POST /openstack/latest/password HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", lab.MetadataAddr, len(post), post))

	for _, args := range [][]string{
		{"explain", mac}, {"explain", mac, "--json"}, {"instance", "ls"}, {"instance", "ls", "--json"}, {"instance", "show", mac},
		{"instance", "show", mac, "--json"}, {"__complete", "instance", "show", ""}, {"status"}, {"network", "ls"}, {"export"},
	} {
		out := command(t, s, args...)
		if args[0] == "export" || slices.Contains(args, "--json") {
			if !json.Valid([]byte(out)) {
				t.Errorf("%v prints no JSON: %s", args, out)
			}
		}
		mustBeVisible(t, strings.Join(args, " "), out)
	}
	out, _ := s.Run(suite.ctx, nil, "instance", "password", mac) // fails if the password was refused
	mustBeVisible(t, "instance password", out)
	contains(t, "explain", command(t, s, "explain", mac), `\x1b]0;x\a`, "MMMMM")

	if err := s.Stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	for name, text := range serverLogs(t, l) {
		mustBeVisible(t, name, text)
		contains(t, name, text, "method=MMMM", `\x1b`)
	}
}

// serverLogs are the server's log file and its standard output, by name.
func serverLogs(t *testing.T, l *lab.Lab) map[string]string {
	t.Helper()
	files, err := filepath.Glob(l.Path("log", "mdserver*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("logs %v (%v)", files, err)
	}
	logs := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		logs[filepath.Base(file)] = string(text)
	}
	return logs
}

// A guest that asks all the time, and a stranger that makes up addresses, fill
// no log and hide nobody's lines. A guest that boots meanwhile is logged whole.
func TestFloodOfRequestsInTheLog(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "request_rate", "0"))
	quiet := place(t, l, register(t, s, "web1"))
	noisy := place(t, l, register(t, s, "web2"))

	const requests = 10_000
	client := noisy.HTTPClient(netip.Addr{})
	for range requests {
		if status, _ := fetch(t, client, "/latest/meta-data/instance-id"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	const boot = 100
	client = quiet.HTTPClient(netip.Addr{})
	for range boot {
		fetch(t, client, "/latest/meta-data/instance-id")
	}
	if err := s.Stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	for name, text := range serverLogs(t, l) {
		if n := strings.Count(text, " guest=web1 method="); n != boot {
			t.Errorf("%s has %d lines of the quiet guest, want %d", name, n, boot)
		}
		n := strings.Count(text, " guest=web2 method=")
		if n < 500 || n > 1000 {
			t.Errorf("%s has %d lines of the noisy guest", name, n)
		}
		contains(t, name, text, `msg="request lines omitted" from=guest guest=web2 count=`)
		t.Logf("%s: %d bytes, %d of %d requests of the noisy guest", name, len(text), n, requests)
	}
}

// Made-up MACs, and the names that DHCP clients send, fill no log and reach no
// DNS.
func TestFloodOfDHCPInTheLog(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	victim := register(t, s, "web1")
	own := register(t, s, "web2")
	attacker, _ := boot(t, l, own)

	const packets = 3000
	hostile := []dhcpv4.Modifier{
		dhcpv4.WithBroadcast(true),
		dhcpv4.WithOption(dhcpv4.OptHostName("wpad\x1b[31m\nforged")),
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier("\x1b]0;x\a")),
		dhcpv4.WithGeneric(dhcpv4.OptionClientIdentifier, []byte("\x01\n\x1b[2J")),
		dhcpv4.WithGeneric(dhcpv4.OptionFQDN, []byte("\x00\x00\x00isatap\nforged")),
	}
	err := attacker.Do(func() error {
		conn, err := net.Dial("udp4", "255.255.255.255:67")
		if err != nil {
			return err
		}
		defer conn.Close()
		for i := range packets {
			mac := binary.BigEndian.AppendUint32([]byte{0x02, 0}, rand.Uint32())
			p, err := dhcpv4.New(append(hostile, dhcpv4.WithHwAddr(mac), dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover))...)
			if err != nil {
				return err
			}
			if _, err := conn.Write(p.ToBytes()); err != nil {
				return err
			}
			if i%50 == 0 {
				time.Sleep(5 * time.Millisecond) // the receiver's buffer holds some hundred
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	// The attacker's own lease is asked for with others' names.
	mac, err := net.ParseMAC(own.MAC)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"wpad", "isatap", "web1", "gateway"}
	err = attacker.Do(func() error {
		// The flood may have filled the server's buffer, so requests are sent again.
		client, err := nclient4.New("eth0", nclient4.WithTimeout(500*time.Millisecond), nclient4.WithRetry(6))
		if err != nil {
			return err
		}
		defer client.Close()
		for _, name := range names {
			request, err := dhcpv4.New(dhcpv4.WithHwAddr(mac), dhcpv4.WithBroadcast(true),
				dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest),
				dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(own.IPv4.AsSlice())),
				dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(lab.Gateway))),
				dhcpv4.WithOption(dhcpv4.OptHostName(name)),
				dhcpv4.WithGeneric(dhcpv4.OptionFQDN, append([]byte{0, 0, 0}, name...)))
			if err != nil {
				return err
			}
			server := &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort}
			if _, err := client.SendAndRead(suite.ctx, server, request, nclient4.IsMessageType(dhcpv4.MessageTypeAck)); err != nil {
				return fmt.Errorf("a request in the name of %s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "all answers are in the log", func(context.Context) error {
		for file, text := range serverLogs(t, l) {
			if n := strings.Count(text, "DHCPACK("); n <= len(names) { // the boot had one
				return fmt.Errorf("%s has %d DHCPACKs", file, n)
			}
		}
		return nil
	})
	for name, want := range map[string]string{"wpad": "[]", "isatap": "[]", "gateway": "[]", "web1": fmt.Sprintf("[%s]", victim.IPv4)} {
		addrs, _ := attacker.Resolve(suite.ctx, name+".example.net") // fails for names that are not there
		equal(t, "the address of "+name, fmt.Sprint(addrs), want)
	}

	if err := s.Stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	for name, text := range serverLogs(t, l) {
		mustBeVisible(t, name, text)
		if n := strings.Count(text, "DHCPDISCOVER("); n > 300 {
			t.Errorf("%s has %d lines of made-up MACs", name, n)
		} else {
			t.Logf("%s: %d bytes, %d lines for %d packets", name, len(text), n, packets)
		}
		contains(t, name, text, `msg="lines of dnsmasq omitted"`, `about="DHCP clients that are not guests"`, "DHCPACK("+lab.Bridge+") "+own.IPv4.String())
	}
}
