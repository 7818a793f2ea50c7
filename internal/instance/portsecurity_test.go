package instance

import (
	"fmt"
	"strings"
	"testing"
)

func TestAllowedAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "[] []",
		"10.0.0.7":                            "[10.0.0.7/32] []",
		" 10.0.0.7 ,, 192.0.2.99/24, fd00::7": "[10.0.0.7/32 192.0.2.0/24 fd00::7/128] []",
		"10.1.0.0/16, 10.0.0.0/8, 10.2.0.1":   "[10.0.0.0/8] []",
		"2001:db8::/32, 2001:db8:7::/48":      "[2001:db8::/32] []",
		"02:42:AC:11:00:02, 172.17.0.0/16":    "[172.17.0.0/16] [02:42:ac:11:00:02]",
	} {
		m := Metadata{Values: map[string]string{KeyAllowedAddresses: text}}
		if err := m.Validate(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		allowed := m.AllowedAddresses()
		if got := fmt.Sprint(allowed.Prefixes, allowed.MACs); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestAllowedAddressesRefused(t *testing.T) {
	for text, why := range map[string]string{
		"169.254.169.254":             "includes 169.254.169.254/32",
		"169.254.0.0/16":              "includes 169.254.169.254/32",
		"0.0.0.0/0":                   "which no guest may send from",
		"::/0":                        "which no guest may send from",
		"fd00:ec2::/32":               "includes fd00:ec2::254/128",
		"fe80::/10":                   "includes fe80::a9fe:a9fe/128",
		"127.0.0.1":                   "includes 127.0.0.0/8",
		"224.0.0.1":                   "includes 224.0.0.0/3",
		"ff02::1":                     "includes ff00::/8",
		"::ffff:10.0.0.1":             "its IPv4 form",
		"fe80::1%eth0":                "accepted: addresses, prefixes and MAC addresses",
		"web2":                        "accepted: addresses, prefixes and MAC addresses",
		"ff:ff:ff:ff:ff:ff":           "accepted: addresses, prefixes and MAC addresses",
		"10.0.0.0/33":                 "accepted: addresses, prefixes and MAC addresses",
		manyAddresses(maxAllowed + 1): "at most 64",
	} {
		m := Metadata{Values: map[string]string{KeyAllowedAddresses: text}}
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
		if allowed := m.AllowedAddresses(); len(allowed.Prefixes)+len(allowed.MACs) > 0 {
			t.Errorf("%q allows %v", text, allowed)
		}
	}
}

func manyAddresses(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("10.0.1.%d", i))
	}
	return strings.Join(list, ",")
}

func TestPortSecurityOff(t *testing.T) {
	for value, want := range map[string]bool{"off": true, "on": false} {
		m := Metadata{Values: map[string]string{KeyPortSecurity: value}}
		if err := m.Validate(); err != nil || m.PortSecurityOff() != want {
			t.Errorf("%q: off is %v, %v", value, m.PortSecurityOff(), err)
		}
	}
	m := Metadata{Values: map[string]string{KeyPortSecurity: "no"}}
	if err := m.Validate(); err == nil || !strings.Contains(err.Error(), "accepted: on, off") {
		t.Error(err)
	}
}

func FuzzAllowedAddresses(f *testing.F) {
	f.Add("10.0.0.0/8, fd00::/8, 02:42:ac:11:00:02")
	f.Fuzz(func(t *testing.T, text string) {
		allowed, err := parseAllowed(text)
		for i, p := range allowed.Prefixes {
			for _, never := range neverAllowed {
				if err == nil && p.Overlaps(never) {
					t.Errorf("%q allows %s", text, p)
				}
			}
			for _, q := range allowed.Prefixes[:i] {
				if p.Overlaps(q) {
					t.Errorf("%q: %s and %s overlap", text, p, q)
				}
			}
		}
	})
}
