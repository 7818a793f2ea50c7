package kind

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// reads is what a kind makes of a text: its value, or why it is refused.
func reads[T any](k Kind[T]) func(text string) string {
	return func(text string) string {
		v, err := k.Parse(text)
		if err != nil {
			return "refused: " + err.Error()
		}
		return fmt.Sprint(v)
	}
}

func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reads func(text string) string
		texts map[string]string
	}{
		{"Whole", reads(Whole(1, 9)), map[string]string{"1": "1", "9": "9", "0": "refused: out of range", "10": "refused: out of range",
			"99999999999999999999": "refused: out of range", "": "refused: not a whole number", "1.5": "refused: not a whole number"}},
		{"Units", reads(Units(1, 9, time.Minute, "minutes")), map[string]string{"2": "2m0s", "10": "refused: out of range", "2m": "refused: not a whole number"}},
		{"Duration", reads(Duration(time.Hour)), map[string]string{"90": "1m30s", "90s": "1m30s", "1h": "1h0m0s", "3600": "1h0m0s", "0": "0s",
			"3601": "refused: not a duration", "61m": "refused: out of range", "-1s": "refused: out of range", "soon": "refused: not a duration"}},
		{"Positive", reads(Positive(Duration(time.Hour))), map[string]string{"1": "1s", "0": "refused: out of range", "x": "refused: not a duration"}},
		{"Boolean", reads(Boolean), map[string]string{"Yes": "true", "1": "true", "OFF": "false", "n": "false", "": "refused: neither yes nor no", "2": "refused: neither yes nor no"}},
		{"Choice", reads(Choice("a", "b")), map[string]string{"A": "a", "b": "b", "": "refused: not one of the choices", "c": "refused: not one of the choices"}},
		{"Level", reads(Level), map[string]string{"notset": "DEBUG", "Info": "INFO", "warn": "WARN", "error": "ERROR", "FATAL": "ERROR+4", "loud": "refused: not a log level"}},
		{"Line", reads(Line), map[string]string{"None": "None", "": "", "a b": "a b", "a\nb": "refused: " + errControl.Error(), "a\u2028b": "refused: " + errControl.Error()}},
		{"Secret", reads(Secret), map[string]string{"None": "", "x": "x", "x\x7f": "refused: " + errControl.Error()}},
		{"Path", reads(Path), map[string]string{"/a b": "/a b", "": "refused: nothing is set", "/a\n": "refused: " + errControl.Error()}},
		{"OptionalPath", reads(OptionalPath), map[string]string{"": "", "None": "", "/a": "/a", "/a\tb": "refused: " + errControl.Error()}},
		{"DnsmasqPath", reads(DnsmasqPath), map[string]string{"/a": "/a", "/a#": "refused: has the character '#', which dnsmasq's files cannot hold", "": "refused: nothing is set",
			",a": "refused: has the character ',', which dnsmasq's files cannot hold"}},
		{"SocketPath", reads(SocketPath), map[string]string{strings.Repeat("a", 107): strings.Repeat("a", 107), strings.Repeat("a", 108): "refused: too long for a Unix socket"}},
		{"Paths", reads(Paths), map[string]string{"/a: /b::": "[/a /b]", "": "[]", "/a\x00": "refused: " + errControl.Error()}},
		{"Suffixes", reads(Suffixes), map[string]string{":.yaml": "[ .yaml]", "/a": "refused: has a slash", ".y\n": "refused: " + errControl.Error()}},
		{"VerifyMAC", reads(VerifyMAC), map[string]string{"Bridge": "bridge", "on": "yes", "0": "no", "": "refused: not one of the choices"}},
		{"Address4", reads(Address4), map[string]string{"10.0.0.1": "10.0.0.1", "fd00::1": "refused: not an IPv4 address", "": "refused: not an IPv4 address"}},
		{"OptionalAddress6", reads(OptionalAddress6), map[string]string{"no": "invalid IP", "": "invalid IP", "None": "invalid IP", "fd00::1": "fd00::1", "x": "refused: not an IPv6 address", "10.0.0.1": "refused: not an IPv6 address",
			"::ffff:10.0.0.1": "refused: not an IPv6 address", "fe80::1%br0": "refused: not an IPv6 address"}},
		{"AnyAddress", reads(AnyAddress), map[string]string{"": "0.0.0.0", "::": "::", "::ffff:10.0.0.1": "10.0.0.1", "fe80::1%br0": "fe80::1%br0", "no": "refused: not an IP address",
			"fe80::1%br\n0": "refused: " + errControl.Error()}},
		{"OptionalAddress", reads(OptionalAddress), map[string]string{"off": "invalid IP", "": "invalid IP", "10.0.0.1": "10.0.0.1", "fe80::1%br0": "refused: names an interface", "x": "refused: not an IP address",
			"fe80::1%br\n0": "refused: " + errControl.Error()}},
		{"Addresses", reads(Addresses), map[string]string{"": "[]", "10.0.0.1, fd00::1": "[10.0.0.1 fd00::1]", "fe80::1%br0": "refused: contains something that is not an IP address",
			"10.0.0.1, x": "refused: contains something that is not an IP address"}},
		{"Ranges4", reads(Ranges4), map[string]string{"": "[]", "10.0.0.2, 10.0.0.4 - 10.0.0.6, 10.1.0.9/16": "[10.0.0.2 10.0.0.4-10.0.0.6 10.1.0.0-10.1.255.255]",
			"10.0.0.2-10.0.0.1": "refused: has a range that ends before it begins", "fd00::1": "refused: has an element that is not an IPv4 address, range or network",
			"10.0.0.1-fd00::1": "refused: has an element that is not an IPv4 address, range or network", "fd00::1-10.0.0.1": "refused: has an element that is not an IPv4 address, range or network",
			"10.0.0.1-x": "refused: has an element that is not an IPv4 address, range or network", "10.0.0.0/33": "refused: has an element that is not an IPv4 address, range or network"}},
		{"Ranges6", reads(Ranges6), map[string]string{"fd00::/127": "[fd00::-fd00::1]", "::ffff:10.0.0.1": "refused: has an element that is not an IPv6 address, range or network",
			"10.0.0.1": "refused: has an element that is not an IPv6 address, range or network", "fe80::1%br0": "refused: has an element that is not an IPv6 address, range or network"}},
		{"Endpoints", reads(Endpoints), map[string]string{"no": "[]", "": "[]", "80, [::1]:81, 127.0.0.1:80": "[127.0.0.1:80 [::1]:81]", "[::1]:0": "refused: has the port 0",
			"[::ffff:10.0.0.1]:65535": "[10.0.0.1:65535]", "65536": "refused: has an element that is neither an IP address with a port nor a port",
			"a:80": "refused: has an element that is neither an IP address with a port nor a port", "[fe80::1%br0]:80": "[[fe80::1%br0]:80]",
			"[fe80::1%br\n0]:80": "refused: has an element that is neither an IP address with a port nor a port"}},
		{"MTU", reads(MTU), map[string]string{"": "0", "None": "0", "576": "576", "65535": "65535", "575": "refused: out of range", "65536": "refused: out of range"}},
		{"BootFile", reads(BootFile), map[string]string{"": "", "a, b, 10.0.0.1": "a,b,10.0.0.1", "a b": "refused: has a character that dnsmasq's files cannot hold",
			",b": "refused: names no file", "a, b": "a,b", "a\x01": "refused: " + errControl.Error(),
			"a,b,c": "refused: has a third part that is not an IPv4 address", "a,b,fd00::1": "refused: has a third part that is not an IPv4 address", "a,b,10.0.0.1,d": "refused: has more than three parts"}},
		{"Items", reads(Items), map[string]string{`"a.b, 'c.d',"`: "[a.b c.d]", "": "[]", "a.b, ''": "[a.b]", "a.b\n": "refused: " + errControl.Error()}},
	} {
		for text, want := range tt.texts {
			if got := tt.reads(text); got != want {
				t.Errorf("%s of %q: %s, want %s", tt.name, text, got, want)
			}
		}
	}
}

// Quotes around most values carry no meaning, but a text may have them. A message about
// a value says what is accepted.
func TestQuotesAndAccepts(t *testing.T) {
	for name, k := range map[string]struct {
		accepts      string
		quotes, want bool
	}{
		"Whole":            {Whole(1, 9).Accepts, Whole(1, 9).Quotes, true},
		"Units":            {Units(1, 9, time.Minute, "minutes").Accepts, Units(1, 9, time.Minute, "minutes").Quotes, true},
		"Duration":         {Duration(time.Hour).Accepts, Duration(time.Hour).Quotes, true},
		"Positive":         {Positive(Duration(time.Hour)).Accepts, Positive(Duration(time.Hour)).Quotes, true},
		"Choice":           {Choice("a", "b").Accepts, Choice("a", "b").Quotes, true},
		"Boolean":          {Boolean.Accepts, Boolean.Quotes, true},
		"Level":            {Level.Accepts, Level.Quotes, true},
		"Path":             {Path.Accepts, Path.Quotes, true},
		"OptionalPath":     {OptionalPath.Accepts, OptionalPath.Quotes, true},
		"DnsmasqPath":      {DnsmasqPath.Accepts, DnsmasqPath.Quotes, true},
		"SocketPath":       {SocketPath.Accepts, SocketPath.Quotes, true},
		"Paths":            {Paths.Accepts, Paths.Quotes, true},
		"VerifyMAC":        {VerifyMAC.Accepts, VerifyMAC.Quotes, true},
		"IMDSFrontends":    {IMDSFrontends.Accepts, IMDSFrontends.Quotes, true},
		"Address4":         {Address4.Accepts, Address4.Quotes, true},
		"OptionalAddress6": {OptionalAddress6.Accepts, OptionalAddress6.Quotes, true},
		"AnyAddress":       {AnyAddress.Accepts, AnyAddress.Quotes, true},
		"OptionalAddress":  {OptionalAddress.Accepts, OptionalAddress.Quotes, true},
		"Addresses":        {Addresses.Accepts, Addresses.Quotes, true},
		"Ranges4":          {Ranges4.Accepts, Ranges4.Quotes, true},
		"Ranges6":          {Ranges6.Accepts, Ranges6.Quotes, true},
		"Endpoints":        {Endpoints.Accepts, Endpoints.Quotes, true},
		"EtcdEndpoints":    {EtcdEndpoints.Accepts, EtcdEndpoints.Quotes, true},
		"MTU":              {MTU.Accepts, MTU.Quotes, true},
		"BootFile":         {BootFile.Accepts, BootFile.Quotes, true},
		"Line":             {Line.Accepts, Line.Quotes, false},
		"Secret":           {Secret.Accepts, Secret.Quotes, false},
		"Suffixes":         {Suffixes.Accepts, Suffixes.Quotes, false},
		"Items":            {Items.Accepts, Items.Quotes, false},
	} {
		if k.accepts == "" || k.quotes != k.want {
			t.Errorf("%s accepts %q, and drops quotes: %v, want %v", name, k.accepts, k.quotes, k.want)
		}
	}
}

// No value has characters that break a line or control a terminal.
func TestPlain(t *testing.T) {
	for r, plain := range map[rune]bool{
		0: false, '\n': false, 0x1f: false, ' ': true, '~': true, 0x7f: false, 0x80: false, 0x9f: false, 0xa0: true, 'é': true,
		0x2027: true, 0x2028: false, 0x2029: false, 0x202a: true,
	} {
		if err := Plain("a" + string(r)); (err == nil) != plain {
			t.Errorf("%q: %v", r, err)
		}
	}
}

func TestAccepts(t *testing.T) {
	for got, want := range map[string]string{
		Whole(1, 9).Accepts:                         "a whole number from 1 to 9",
		Units(1, 9, time.Minute, "minutes").Accepts: "a whole number of minutes from 1 to 9",
		Positive(Duration(time.Hour)).Accepts:       "a duration such as 90s, 30m or 1h30m, or a number of seconds, at most 1h, more than 0",
		Choice("a", "b", "c").Accepts:               "a, b or c",
		IMDSFrontends.Accepts:                       "openstack and nocloud, separated by commas, or nothing",
	} {
		if got != want {
			t.Errorf("accepts %q, want %q", got, want)
		}
	}
}

func TestUnquote(t *testing.T) {
	for text, want := range map[string]string{`"a"`: "a", "'a'": "a", `'a"`: `'a"`, `"`: `"`, `""`: "", "a": "a", "aba": "aba", `""a""`: `"a"`} {
		if got := Unquote(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
