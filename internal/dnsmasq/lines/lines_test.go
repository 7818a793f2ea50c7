package lines

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/visible"
)

func TestHearDHCP(t *testing.T) {
	var got []string
	lines := New(slog.New(slog.DiscardHandler), Clients{OnMessage: func(mac instance.MAC, message string) {
		got = append(got, message+" "+mac.String())
	}})
	defer lines.Close()
	fmt.Fprint(lines, "dnsmasq-dhcp[7]: DHCPDISCOVER(br-mds) 52:54:00:4a:0c:11 no address available\n",
		"dnsmasq-dhcp: DHCPACK(br-mds) 10.122.0.9 52:54:00:4a:0c:11 web1\n",
		"dnsmasq-dhcp: DHCP, static leases only on 10.122.0.0, lease time 1d\n",
		"dnsmasq-dhcp: DHCPREPLY(br-mds) fd00::9 00:01:00:01:2a:bb:cc:dd:52:54:00:4a:0c:11 web1\n",
		"dnsmasq: query[A] DHCPACK(x) from 10.122.0.9\n")
	want := []string{"DHCPDISCOVER 52:54:00:4a:0c:11", "DHCPACK 52:54:00:4a:0c:11"}
	if !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

// A client that invents MACs or floods the log leaves room for others.
func TestFloodOfDHCP(t *testing.T) {
	var log bytes.Buffer
	web1 := instance.MAC{0x52, 0x54, 0, 0x4a, 0x0c, 0x11}
	lines := New(slog.New(slog.NewTextHandler(&log, nil)), Clients{IsGuest: func(mac instance.MAC) bool { return mac == web1 }})
	for i := range 10_000 {
		fmt.Fprintf(lines, "dnsmasq-dhcp: DHCPDISCOVER(br-mds) 02:00:00:00:%02x:%02x no address available\n", i>>8, i&0xff)
		fmt.Fprintf(lines, "dnsmasq-dhcp: DHCPREPLY(br-mds) 00:04:%02x:%02x no addresses available\n", i>>8, i&0xff)
		fmt.Fprintf(lines, "dnsmasq: possible warning about \x1b[31m%d\u202e\r%s\n", i, strings.Repeat("x", 2000))
	}
	fmt.Fprint(lines, "dnsmasq-dhcp: DHCPACK(br-mds) 10.122.0.9 52:54:00:4a:0c:11 web1\n",
		"dnsmasq-dhcp: DHCPREPLY(br-mds) fd00::9 00:01:00:01:2a:bb:cc:dd:52:54:00:4a:0c:11 web1\n",
		"dnsmasq: failed to bind\n")
	lines.Close()
	out := log.String()
	if n := strings.Count(out, "\n"); n > 2*lineLimit.Burst+5 || len(out) > 400_000 {
		t.Errorf("%d lines of %d bytes", n, len(out))
	}
	for _, want := range []string{
		"DHCPACK(br-mds) 10.122.0.9", "DHCPREPLY(br-mds) fd00::9", "failed to bind",
		`msg="lines of dnsmasq omitted" about="DHCP clients that are not guests" count=19800`, `about="level WARN" count=9800`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if visible.String(out) != strings.ReplaceAll(out, "\n", `\n`) {
		t.Error("the log has characters that are not visible")
	}
}

// The last error of dnsmasq's explains how it ended, and nothing else that it says does.
func TestExplain(t *testing.T) {
	for text, want := range map[string]string{
		"": "dnsmasq ended: exit status 2",
		"dnsmasq: started, version 2.90\ndnsmasq: warning: no upstream servers\n":                                      "dnsmasq ended: exit status 2",
		"dnsmasq: failed to create listening socket: in use\ndnsmasq: unknown user or group: x\ndnsmasq: warning: x\n": "dnsmasq ended: unknown user or group: x: exit status 2",
	} {
		w := New(slog.New(slog.DiscardHandler), Clients{})
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := w.Explain(errors.New("exit status 2")); got.Error() != want {
			t.Errorf("%q: %v, want %s", text, got, want)
		}
		if got := w.Explain(nil); !strings.HasSuffix(got.Error(), "it ended without an error") {
			t.Errorf("%q: %v", text, got)
		}
		w.Close()
	}
}
