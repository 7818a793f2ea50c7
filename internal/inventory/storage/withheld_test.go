package storage

import (
	"net/netip"
	"testing"

	"github.com/google/uuid"
)

var (
	id   = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")
	lost = Withheld{UUID: id, ID: "i-7e5a544d", Name: "Web 1", Hostname: "web-1", File: "/var/lib/aside.json",
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}}
)

func TestMeans(t *testing.T) {
	for name, test := range map[string]struct {
		guest Withheld
		ref   string
		want  bool
	}{
		"its name":                       {lost, "Web 1", true},
		"its name in lower case":         {lost, "web 1", false},
		"its instance-id":                {lost, "i-7e5a544d", true},
		"its host name":                  {lost, "web-1", true},
		"its host name in upper case":    {lost, "WEB-1", true},
		"its UUID":                       {lost, id.String(), true},
		"its UUID without hyphens":       {lost, "7e5a544dd5554133a4438229415be701", true},
		"its first address":              {lost, "10.0.0.2", true},
		"its second address":             {lost, "fd00:0::2", true},
		"another name":                   {lost, "web2", false},
		"another UUID":                   {lost, uuid.Nil.String(), false},
		"another address":                {lost, "10.0.0.3", false},
		"nothing":                        {lost, "", false},
		"nothing, of a guest without ID": {Withheld{UUID: id}, "", false},
	} {
		if got := test.guest.Means(test.ref); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestString(t *testing.T) {
	for _, test := range []struct {
		guest Withheld
		want  string
	}{
		{lost, `the guest "Web 1", whose record was set aside in /var/lib/aside.json`},
		{Withheld{UUID: id, File: "f"}, "the guest " + id.String() + ", whose record was set aside in f"},
	} {
		if got := test.guest.String(); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}
