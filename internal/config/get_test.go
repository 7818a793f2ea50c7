package config

import (
	"errors"
	"strings"
	"testing"
)

func TestGet(t *testing.T) {
	path := write(t, `[mdserver]
port = 8080
password = topsecret
passwrod = topsecret

[public-keys]
default = topsecret

[template-data]
token = topsecret
a.b = topsecret

[network lab.x]
interface = br-lab
net_address = 10.9.0.0
net_prefix = 24
`)
	c, _, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		key, want string
		err       error
		hint      string
	}{
		{key: "mdserver.port", want: "8080"},
		{key: "mdserver.PORT", want: "8080"},
		{key: "mdserver.database", want: "/var/lib/mdserver/mdserver.db"},
		{key: "network lab.x.interface", want: "br-lab"},
		{key: "network lab.x.mtu", err: ErrNoKey, hint: "[network lab.x] does not set mtu"},
		{key: "mdserver.password", err: ErrSecret, hint: "configuration file"},
		{key: "public-keys.default", err: ErrSecret},
		{key: "public-keys.other", err: ErrSecret},
		{key: "template-data.token", err: ErrSecret},
		{key: "template-data.a.b", err: ErrSecret},
		{key: "mdserver.passwrod", err: ErrNoKey, hint: "mdserver.password"},
		{key: "mdserver.prot", err: ErrNoKey, hint: "mdserver.port"},
		{key: "port", err: ErrNoKey, hint: "mdserver.port"},
		{key: "mdserver", err: ErrNoKey},
		{key: ".", err: ErrNoKey},
		{key: "", err: ErrNoKey},
		{key: "network ", err: ErrNoKey},
		{key: "x\x1b[2J.y", err: ErrNoKey, hint: `\x1b`},
	} {
		got, err := c.Get(test.key)
		if !errors.Is(err, test.err) || got.Value != test.want {
			t.Errorf("%q is %q, error %v; want %q, %v", test.key, got.Value, err, test.want, test.err)
			continue
		}
		if err != nil && (!strings.Contains(err.Error(), test.hint) || strings.Contains(err.Error(), "topsecret")) {
			t.Errorf("%q: %v; want a hint at %q, and no secret", test.key, err, test.hint)
		}
	}
}
