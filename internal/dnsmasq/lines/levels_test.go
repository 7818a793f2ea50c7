package lines

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/instance"
)

// TestLevels checks that the level of a line depends on its words, but not on those of
// DHCP clients.
func TestLevels(t *testing.T) {
	for text, want := range map[string]slog.Level{
		"started, version 2.90 cachesize 150":                                  slog.LevelInfo,
		"DHCPACK(br-mds) 10.122.0.9 52:54:00:4a:0c:11 web1":                    slog.LevelInfo,
		"DHCPACK(br-mds) 10.122.0.9 52:54:00:4a:0c:11 failed":                  slog.LevelInfo,
		"DHCPREPLY(br-mds) fd00::9 00:01:00:01:2a:bb:cc:dd web1":               slog.LevelInfo,
		"DHCPDISCOVER(br-mds) 52:54:00:4a:0c:11 no address available":          slog.LevelInfo,
		"DHCPDISCOVER(br-mds) 52:54:00:4a:0c:11 no address range available":    slog.LevelInfo,
		"DHCPADVERTISE(br-mds) 00:01:00:01:2a:bb:cc:dd no addresses available": slog.LevelInfo,
		"DHCPDISCOVER(br-mds) 52:54:00:4a:0c:11":                               slog.LevelDebug,
		"DHCPREQUEST(br-mds) 10.122.0.9 52:54:00:4a:0c:11 error":               slog.LevelDebug,
		"RTR-ADVERT(br-mds) fd00::":                                            slog.LevelDebug,
		"RTR-SOLICIT(br-mds) 52:54:00:4a:0c:11":                                slog.LevelDebug,
		"DHCP, static leases only on 10.122.0.0, lease time 1d":                slog.LevelDebug,
		"using nameserver 192.0.2.1#53":                                        slog.LevelDebug,
		"read /etc/hosts - 8 names":                                            slog.LevelDebug,
		"failed to bind DHCP server socket: Address already in use":            slog.LevelError,
		"cannot open log: Permission denied":                                   slog.LevelError,
		"bad DHCP host name at line 3":                                         slog.LevelError,
		"error at line 3 of mds.conf":                                          slog.LevelError,
		"duplicate dhcp-host IP address 10.122.0.9":                            slog.LevelError,
		"unknown user or group: nobody":                                        slog.LevelError,
		"missing required DHCP option":                                         slog.LevelError,
		"illegal repeated keyword at line 3":                                   slog.LevelError,
		"warning: interface br9 does not currently exist":                      slog.LevelWarn,
		"unknown interface br9":                                                slog.LevelWarn,
		"not using configured address 10.122.0.9 because it is in use":         slog.LevelWarn,
		"not giving name web1 to the DHCP lease of 10.122.0.9":                 slog.LevelWarn,
		"Ignoring query from non-local network 192.0.2.9":                      slog.LevelWarn,
		"ignoring nameserver 10.122.0.1 - local interface":                     slog.LevelWarn,
		"no upstream servers, maximum number of queries":                       slog.LevelWarn,
		"DHCP lease limit of 1000 reached":                                     slog.LevelWarn,
	} {
		if got := levelOf(text); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// TestPieces checks that a line may come in pieces, that several may come at once, and
// that a line that does not end is cut.
func TestPieces(t *testing.T) {
	var log strings.Builder
	w := New(slog.New(slog.NewTextHandler(&log, nil)), Clients{})
	defer w.Close()
	for _, piece := range []string{"dnsmasq: failed", " to bind\n\ndnsmasq[7]: bad", " line\ndnsmasq-dhcp[7]: error", "\n  plain error  \n", "dnsmasq: cannot wait"} {
		if n, err := fmt.Fprint(w, piece); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	var got []string
	for line := range strings.Lines(log.String()) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), "level=ERROR msg=")
		got = append(got, text)
	}
	want := []string{`"failed to bind" from=dnsmasq`, `"bad line" from=dnsmasq`, "error from=dnsmasq-dhcp", `"plain error" from=dnsmasq`}
	if !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
	log.Reset()
	fmt.Fprint(w, strings.Repeat("x", 3*longestLine))
	if len(w.rest) >= longestLine || strings.Count(log.String(), "\n") == 0 {
		t.Errorf("%d bytes are kept, logged %q", len(w.rest), log.String())
	}
	for line := range strings.Lines(log.String()) {
		if len(line) > longestText+200 {
			t.Errorf("a line of %d bytes is logged", len(line))
		}
	}
}

// TestWhoseLine checks that only lines of the DHCP server reach the callbacks, and that
// each guest's lines have their own account, by the MAC address or the end of the DUID.
func TestWhoseLine(t *testing.T) {
	web1 := instance.MAC{0x52, 0x54, 0, 0x4a, 0x0c, 0x11}
	var heard []string
	w := New(slog.New(slog.DiscardHandler), Clients{
		OnMessage: func(_ instance.MAC, message string) { heard = append(heard, message) },
		OnLine:    func(text string) { heard = append(heard, text) },
		IsGuest:   func(mac instance.MAC) bool { return mac == web1 },
	})
	defer w.Close()
	fmt.Fprint(w, "dnsmasq: DHCPACK(br-mds) 10.122.0.9 52:54:00:4a:0c:11 web1\n", "dnsmasq-dhcp: disabling DHCP static address\n", "dnsmasq-dhcp: DHCPNAK(br-mds) 52:54:00:4a:0c:11\n")
	if want := []string{"disabling DHCP static address", "DHCPNAK(br-mds) 52:54:00:4a:0c:11", "DHCPNAK"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	for text, want := range map[string]string{
		"DHCPACK(br-mds) 10.122.0.9 52:54:00:4a:0c:11 web1":                   web1.String(),
		"DHCPREPLY(br-mds) fd00::9 00:01:00:01:2a:bb:cc:dd:52:54:00:4a:0c:11": web1.String(),
		"DHCPACK(br-mds) 10.122.0.8 52:54:00:4a:0c:12 web2":                   "DHCP clients that are not guests",
		"DHCPACK(br-mds) 10.122.0.8":                                          "DHCP clients that are not guests",
		"failed to bind 52:54:00:4a:0c:11":                                    "level ERROR",
	} {
		if got := w.about(text, levelOf(text)); got != want {
			t.Errorf("%q is about %q, want %q", text, got, want)
		}
	}
}

// TestLinesBelowTheLevel checks that lines that are not logged do not count against the
// limit.
func TestLinesBelowTheLevel(t *testing.T) {
	var log strings.Builder
	w := New(slog.New(slog.NewTextHandler(&log, nil)), Clients{})
	for range 2 * lineLimit.Burst {
		fmt.Fprint(w, "dnsmasq-dhcp: DHCPDISCOVER(br-mds) 02:00:00:00:00:01\n")
	}
	fmt.Fprint(w, "dnsmasq-dhcp: DHCPACK(br-mds) 10.122.0.9 02:00:00:00:00:01 web1\n")
	w.Close()
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "DHCPACK") {
		t.Errorf("logged:\n%s", &log)
	}
}
