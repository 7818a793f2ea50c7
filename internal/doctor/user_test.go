package doctor

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"mdserver/internal/api"
)

func TestParseCredentials(t *testing.T) {
	const status = "Name:\tdnsmasq\nUid:\t991\t991\t991\t991\nGid:\t992\t992\t992\t992\nFDSize:\t64\nGroups:\t992 4294967 \nNStgid:\t1\n"
	got, err := parseCredentials(status)
	if want := (credentials{991, 992, []string{"4294967"}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := parseCredentials("Uid:\tx\tx\tx\tx\n"); err == nil {
		t.Error("takes x for a user")
	}
}

func TestApart(t *testing.T) {
	self := os.Getpid()
	own, err := credentialsOf(self)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		st     api.Dnsmasq
		server credentials
		want   string
	}{
		{"same user", api.Dnsmasq{PID: self}, own, "can read the server's files"},
		{"the server knows why", api.Dnsmasq{PID: self, Warning: "there is no user"}, own, "there is no user"},
		{"gone", api.Dnsmasq{PID: 1 << 30}, own, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := (&Host{ConfigFile: "/etc/mdserver/mdserver.conf"}).apart(t.Context(), "mds", c.st, c.server)
			if c.want == "" {
				if len(found) > 0 {
					t.Errorf("finds %v", found)
				}
				return
			}
			if len(found) != 1 || found[0].State != Warning || !strings.Contains(found[0].Text, c.want) || len(found[0].Remedy) == 0 {
				t.Errorf("finds %+v, want %q", found, c.want)
			}
		})
	}
}
