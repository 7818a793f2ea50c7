package instance

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func values(pairs ...string) Metadata {
	m := Metadata{Values: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		m.Values[pairs[i]] = pairs[i+1]
	}
	return m
}

func TestMetadataKeys(t *testing.T) {
	m := values("userdata_prefix", "web", "hostname", "www", "ipv4", "10.0.0.7", "ipv6", "fd00::7")
	if prefix, ok := m.UserdataPrefix(); prefix != "web" || !ok {
		t.Errorf("the prefix is %q, %v", prefix, ok)
	}
	for _, none := range []Metadata{{}, values("userdata_prefix", "")} {
		if _, ok := none.UserdataPrefix(); ok {
			t.Errorf("%v counts as a prefix", none)
		}
	}
	if m.Hostname() != "www" || m.IPv4() != netip.MustParseAddr("10.0.0.7") || m.IPv6() != netip.MustParseAddr("fd00::7") {
		t.Errorf("%q %v %v", m.Hostname(), m.IPv4(), m.IPv6())
	}
	if values("ipv4", "rubbish").IPv4().IsValid() {
		t.Error("rubbish is an address")
	}
}

func TestMetadataValidate(t *testing.T) {
	for _, m := range []Metadata{
		{}, values("free", "any\ntext"), values("hostname", "www"), values("ipv4", "10.0.0.1"), values("ipv6", "fd00::1"),
	} {
		if err := m.Validate(); err != nil {
			t.Errorf("%v: %v", m, err)
		}
	}
	tests := []struct {
		metadata Metadata
		reason   string
	}{
		{values("hostname", ""), `hostname "" is not`},
		{values("hostname", "a b"), `hostname "a b" is not`},
		{values("hostname", "a,b\n"), `hostname "a,b\n" is not`},
		{values("ipv4", ""), `ipv4 "" is not an IPv4 address`},
		{values("ipv4", "10.0.0.0/8"), "is not an IPv4 address"},
		{values("ipv4", "fd00::1"), "is not an IPv4 address"},
		{values("ipv6", "10.0.0.1"), "is not an IPv6 address"},
		{values("ipv6", "::ffff:10.0.0.1"), "is not an IPv6 address"},
		{values("ipv6", "fe80::1%eth0"), "is not an IPv6 address"},
	}
	for _, tt := range tests {
		if err := tt.metadata.Validate(); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%v: %v, want an error with %q", tt.metadata, err, tt.reason)
		}
	}
}

func TestTags(t *testing.T) {
	tests := []struct {
		text string
		want map[string]string
		back string
	}{
		{"", nil, ""},
		{" , ,=x", nil, ""},
		{"prod", map[string]string{"prod": ""}, "prod"},
		{" env = prod , team=a=b,new ", map[string]string{"env": "prod", "team": "a=b", "new": ""}, "env=prod,new,team=a=b"},
	}
	for _, tt := range tests {
		got := ParseTags(tt.text)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseTags(%q) (-want +got):\n%s", tt.text, diff)
		}
		if back := formatTags(got); back != tt.back {
			t.Errorf("formatTags of %q = %q, want %q", tt.text, back, tt.back)
		}
	}
}

func TestFlat(t *testing.T) {
	m := Metadata{Values: map[string]string{"a": "1"}, Tags: map[string]string{"env": "prod", "new": ""}}
	want := map[string]string{"a": "1", "tags": "env=prod,new"}
	if diff := cmp.Diff(want, m.Flat()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(m, MetadataFromFlat(want)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, ok := m.Values["tags"]; ok {
		t.Error("Flat wrote into the metadata")
	}
	if flat := (Metadata{}).Flat(); flat == nil || len(flat) != 0 {
		t.Errorf("Flat of nothing is %v, want an empty map", flat)
	}
}
