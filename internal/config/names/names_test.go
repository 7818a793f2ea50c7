package names

import (
	"fmt"
	"strings"
	"testing"

	"mdserver/internal/config/kind"
)

// reads is what a kind makes of a text: its value, or why it is refused.
func reads[T any](k kind.Kind[T]) func(text string) string {
	return func(text string) string {
		v, err := k.Parse(text)
		if err != nil {
			return "refused: " + err.Error()
		}
		return fmt.Sprint(v)
	}
}

// long is a label of some length.
func long(n int) string { return strings.Repeat("a", n) }

func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reads func(text string) string
		texts map[string]string
	}{
		{"Token", reads(Token(3)), map[string]string{"a_1": "a_1", "zA9": "zA9", "Z.0": "Z.0", "": "refused: nothing is set", ".a": "refused: begins with .", "-a": "refused: begins with -", "a/b": "refused: has a character that a name must not have",
			"a{": "refused: has a character that a name must not have", "a[": "refused: has a character that a name must not have", "a:": "refused: has a character that a name must not have",
			"abc": "abc", "abcd": "refused: too long"}},
		{"DNSPrefix", reads(DNSPrefix), map[string]string{"no": "", "vm-": "vm-", "on": "refused: only says that it is on, not what it is", "a_": "refused: has a character that a DNS name must not have"}},
		{"DNSDomain", reads(DNSDomain), map[string]string{"None": "", "a.example.": "a.example", "a..b": "refused: has an empty label", "-a": "refused: has a label that begins or ends with -",
			"a-.b": "refused: has a label that begins or ends with -", long(63): long(63), long(64): "refused: has a label of more than 63 characters",
			strings.Repeat("a.", 126) + "b": strings.Repeat("a.", 126) + "b", strings.Repeat("a.", 126) + "bc": "refused: longer than 253 characters"}},
		{"DNSDomains", reads(DNSDomains), map[string]string{"None": "[]", ".a., b.c": "[a b.c]", "a, b c": "refused: contains something that is not a DNS name"}},
		{"HostPrefix", reads(HostPrefix), map[string]string{"": "", "vm-": "vm-", "v_": "refused: has a character that a DNS name must not have"}},
		{"EntryOrder", reads(EntryOrder), map[string]string{"FQDN,base,domain": "[domain base]", ",": "refused: nothing is set", "name": "refused: has a word that names no form"}},
		{"UserName", reads(UserName), map[string]string{"": "", "debian": "debian", "a b": "refused: not a user name"}},
		{"HostNames", reads(HostNames), map[string]string{"": "[]", "a.example, localhost": "[a.example localhost]", "a b": "refused: not a list of host names", "a_": "refused: not a list of host names"}},
		{"Interfaces", reads(Interfaces), map[string]string{"": "[]", "br0, any": "[br0 any]", "name-of-15-byte": "[name-of-15-byte]", "br0,a-name-of-16-byt": "refused: too long"}},
		{"Region", reads(Region), map[string]string{"eu-1": "eu-1", "": "refused: nothing is set", "Eu": "refused: has a character that a place must not have", "a.b": "refused: has a character that a place must not have",
			"eu-": "refused: has a label that begins or ends with -", "eu_1": "refused: has a character that a DNS name must not have"}},
		{"Account", reads(Account), map[string]string{"012345678901": "012345678901", "12": "refused: not 12 digits", "01234567890x": "refused: not 12 digits"}},
		{"Versions", reads(Versions), map[string]string{"/latest/, 2009-04-04, latest": "[latest 2009-04-04]", ",": "refused: nothing is set",
			"1.0, a/b_c": "[1.0 a/b_c]", "a//b": "refused: has an empty element, or one that begins with a dot", "a/.x": "refused: has an empty element, or one that begins with a dot",
			"../x": "refused: has an empty element, or one that begins with a dot", "a b": "refused: has a character that a version must not have"}},
		{"EtcdPrefix", reads(EtcdPrefix), map[string]string{"/a": "/a/", "/a/b/": "/a/b/", "a": "refused: does not begin with a slash", "/": "refused: names no part of the keys",
			"": "refused: nothing is set", "/a//b": "refused: has an empty name or dots alone as a name", "/a/..": "refused: has an empty name or dots alone as a name",
			"/a b": "refused: has a character that a prefix must not have", "/" + long(199): "/" + long(199) + "/", "/" + long(200): "refused: too long"}},
	} {
		for text, want := range tt.texts {
			if got := tt.reads(text); got != want {
				t.Errorf("%s of %q: %s, want %s", tt.name, text, got, want)
			}
		}
	}
}

// Quotes around names carry no meaning. A message about a name says what is accepted.
func TestQuotesAndAccepts(t *testing.T) {
	type traits struct {
		accepts string
		quotes  bool
	}
	for name, k := range map[string]traits{
		"Token":         {Token(3).Accepts, Token(3).Quotes},
		"InterfaceName": {InterfaceName.Accepts, InterfaceName.Quotes},
		"Interfaces":    {Interfaces.Accepts, Interfaces.Quotes},
		"DNSPrefix":     {DNSPrefix.Accepts, DNSPrefix.Quotes},
		"DNSDomain":     {DNSDomain.Accepts, DNSDomain.Quotes},
		"DNSDomains":    {DNSDomains.Accepts, DNSDomains.Quotes},
		"HostPrefix":    {HostPrefix.Accepts, HostPrefix.Quotes},
		"HostNames":     {HostNames.Accepts, HostNames.Quotes},
		"EntryOrder":    {EntryOrder.Accepts, EntryOrder.Quotes},
		"UserName":      {UserName.Accepts, UserName.Quotes},
		"EtcdPrefix":    {EtcdPrefix.Accepts, EtcdPrefix.Quotes},
		"Region":        {Region.Accepts, Region.Quotes},
		"Account":       {Account.Accepts, Account.Quotes},
		"Versions":      {Versions.Accepts, Versions.Quotes},
	} {
		if k.accepts == "" || !k.quotes {
			t.Errorf("%s accepts %q, and drops quotes: %v", name, k.accepts, k.quotes)
		}
	}
}

func TestTokenAccepts(t *testing.T) {
	const want = "a name of letters, digits and . _ -, not beginning with . or -, at most 3 characters"
	if got := Token(3).Accepts; got != want {
		t.Errorf("accepts %q, want %q", got, want)
	}
}

func TestPlaceName(t *testing.T) {
	for location, want := range map[string]string{
		"kvm1": "kvm1", "Rack 4, Hall B": "rack-4--hall-b", "Köln": "k-ln", "東京": "local", "": "local", "-a-": "a",
		strings.Repeat("x", 80): strings.Repeat("x", 62),
	} {
		if got := PlaceName(location); got != want {
			t.Errorf("%q: %q, want %q", location, got, want)
		}
	}
}
