package instance

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

var testUUID = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")

func TestValidHostname(t *testing.T) {
	for _, name := range []string{"web1", "WEB1", "a", "1a", "web-1", "web1.example.com", "3com", "1.web", "xn--gre-6ka8l", "localhosts", strings.Repeat("a", MaxLabel)} {
		if !ValidHostname(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{
		"", ".", "..", "web1.", ".web1", "a..b", "-web", "web-", "a.-b", "web_1", "web 1", "größe", "a,b", "a=b", "a#b", "a/b",
		"1", "123", "10.0.0.1", "a.1", "0x7f000001", "0X7F", "web.0x1", "0x", // addresses to inet_aton
		"localhost", "LOCALHOST", "web.localhost", "localhost.localdomain",
		strings.Repeat("a", MaxLabel+1), strings.Repeat("a", 40) + "." + strings.Repeat("b", 40),
	} {
		if ValidHostname(name) {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestDeriveHostname(t *testing.T) {
	digits := digitsOf(testUUID)
	tests := []struct{ name, want string }{
		{"web1", "web1"},
		{"Web1", "Web1"},
		{"web1.example.com", "web1.example.com"},
		{"web 1", "web-1"},
		{"web_1", "web-1"},
		{"  web  1  ", "web-1"},
		{"größe", "gro-e"},
		{"Café", "Cafe"},
		{"Cafe\u0301", "Cafe"},
		{"ｗｅｂ１", "web1"}, // full width
		{"web🐧1", "web-1"},
		{"a,b", "a-b"},
		{`"quoted"`, "quoted"},
		{"$(reboot)", "reboot"},
		{"`id`;rm -rf ~", "id-rm-rf"},
		{"x,10.0.0.1,infinite", "x-10-0-0-1-infinite"}, // dnsmasq syntax
		{"#comment", "comment"},
		{"set:tag", "set-tag"},
		{"-lead", "lead"},
		{"web1.", "web1"},
		{"a..b", "a-b"},
		{"10.0.0.1", "10-0-0-1"},
		{strings.Repeat("x", 255), strings.Repeat("x", 63)},
		{strings.Repeat("x", 62) + " y", strings.Repeat("x", 62)},
		{"日本", "vm-" + digits},
		{"..", "vm-" + digits},
		{"---", "vm-" + digits},
		{"", "vm-" + digits},
		{"42", "42-" + digits},
		{"0x7f", "0x7f-" + digits},
		{" localhost", "localhost-" + digits},
	}
	for _, tt := range tests {
		if got := DeriveHostname(tt.name, testUUID, "vm"); got != tt.want {
			t.Errorf("DeriveHostname(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// digitsOf are the digits that a UUID lends to a host name: the first of its
// instance-id.
func digitsOf(id uuid.UUID) string { return strings.TrimPrefix(DeriveID(id), "i-")[:suffixDigits] }

func TestDistinctHostname(t *testing.T) {
	digits := digitsOf(testUUID)
	tests := []struct{ name, want string }{
		{"web1", "web1-" + digits},
		{"web1.example.com", "web1-" + digits},
		{"", "vm-" + digits},
		{"...", "vm-" + digits},
		{strings.Repeat("x", 63), strings.Repeat("x", 54) + "-" + digits},
		{strings.Repeat("x", 53) + "-yyyyyyyyy", strings.Repeat("x", 53) + "-" + digits},
	}
	for _, tt := range tests {
		if got := DistinctHostname(tt.name, testUUID); got != tt.want || !ValidHostname(got) {
			t.Errorf("DistinctHostname(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
	if other := DistinctHostname("web1", uuid.MustParse("7e5a544d-d555-4133-a443-8229415be702")); other == "web1-"+digits {
		t.Error("two UUIDs give the same digits")
	}
}

func FuzzDeriveHostname(f *testing.F) {
	for _, name := range []string{"web1", "", "..", "größe", "0x7f", "10.0.0.1", "a\u0301", "\xff", "localhost", strings.Repeat("ﷺ", 80)} {
		f.Add(name, "vm", testUUID[:])
	}
	f.Add("日本", "größe.local", make([]byte, 16))
	f.Fuzz(func(t *testing.T, name, fallback string, id []byte) {
		guest, err := uuid.FromBytes(id)
		if err != nil {
			guest = uuid.NewSHA1(uuid.Nil, id)
		}
		hostname := DeriveHostname(name, guest, fallback)
		if !ValidHostname(hostname) {
			t.Errorf("DeriveHostname(%q, fallback %q) = %q, which is not valid", name, fallback, hostname)
		}
		if again := DeriveHostname(hostname, guest, fallback); again != hostname {
			t.Errorf("derived again, %q becomes %q", hostname, again)
		}
		if distinct := DistinctHostname(hostname, guest); !ValidHostname(distinct) || distinct == hostname && !strings.HasSuffix(hostname, digitsOf(guest)) {
			t.Errorf("DistinctHostname(%q) = %q", hostname, distinct)
		}
	})
}
