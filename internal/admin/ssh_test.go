package admin

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mdserver/internal/api"
	"mdserver/internal/client"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// sshOf knows each guest by its host name alone.
type sshOf struct {
	inv    *inventory.Inventory
	ca     bool
	broken error // of RotateCA
}

func (s sshOf) Describe(guest *instance.Instance) api.SSHGuest {
	return api.SSHGuest{Name: guest.Name, Keys: []api.SSHKey{}}
}

func (s sshOf) Find(host string) (*instance.Instance, bool) {
	return s.inv.Snapshot().ByHostname(host)
}

func (s sshOf) CA() (api.SSHAuthority, bool) {
	return api.SSHAuthority{SSHKey: api.SSHKey{Type: "ssh-ed25519"}}, s.ca
}

func (s sshOf) RotateCA(context.Context) error { return s.broken }

func TestSSH(t *testing.T) {
	b := newBackend(t)
	b.SSH = sshOf{inv: b.Inventory}
	c := serveSocket(t, b)
	for n, name := range []string{"web", "db"} {
		mac := instance.MAC{0x52, 0x54, 0, 0, 0, byte(n)}
		if _, err := b.Inventory.Register(t.Context(), instance.Domain{Name: name, UUID: [16]byte{1, byte(n)}, Interfaces: []instance.Interface{{MAC: mac, Network: "mds"}}}); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := c.SSHGuests(t.Context()); err != nil || len(all) != 2 || all[0].Name != "db" {
		t.Errorf("all guests: %+v, %v", all, err)
	}
	if one, err := c.SSHGuest(t.Context(), "web"); err != nil || one.Name != "web" {
		t.Errorf("one guest: %+v, %v", one, err)
	}
	if _, err := c.SSHGuest(t.Context(), "none"); codeOf(err) != api.CodeNotFound {
		t.Errorf("no such guest: %v", err)
	}
	for host, want := range map[string]int{"web": 1, "example.net": 0, "": 0, "a b&c=%": 0} {
		if found, err := c.SSHHost(t.Context(), host); err != nil || len(found) != want {
			t.Errorf("the host %q: %+v, %v; want %d guests", host, found, err, want)
		}
	}
	if _, err := c.HostCA(t.Context()); codeOf(err) != api.CodeNoHostCA {
		t.Errorf("without host_ca: %v", err)
	}
	if _, err := c.RotateHostCA(t.Context()); codeOf(err) != api.CodeNoHostCA {
		t.Errorf("another key without host_ca: %v", err)
	}
	b.SSH = sshOf{inv: b.Inventory, ca: true}
	if key, err := serveSocket(t, b).HostCA(t.Context()); err != nil || key.Type != "ssh-ed25519" {
		t.Errorf("with host_ca: %+v, %v", key, err)
	}
	b.SSH = sshOf{inv: b.Inventory, ca: true, broken: errors.New("no space left")}
	if _, err := serveSocket(t, b).RotateHostCA(t.Context()); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("another key that cannot be kept: %v", err)
	}
}

func codeOf(err error) api.ErrorCode {
	var refused *client.Error
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}
