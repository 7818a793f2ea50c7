package hostkeys

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"

	"mdserver/internal/instance"
	"mdserver/internal/memorytest"
)

// client checks hosts as ssh does, by the keys that KnownHostsCommand prints and
// by a line @cert-authority.
type client struct {
	*house
	authority *Authority
}

func (c client) knows(host string, key ssh.PublicKey) bool {
	guest, ok := c.directory().Find(host)
	return ok && slices.ContainsFunc(c.keys.Of(guest).Keys, func(known ssh.PublicKey) bool { return bytes.Equal(known.Marshal(), key.Marshal()) })
}

func (c client) trusts(host string, certificate *ssh.Certificate) bool {
	return accepts(signing(c.authority), host, certificate) == nil
}

// machine is a guest with what it has by its disk.
type machine struct {
	guest       *instance.Instance
	key         ssh.PublicKey
	certificate *ssh.Certificate
}

func (c client) boot(n int, name string) machine {
	c.t.Helper()
	m := machine{guest: c.start(n, name, "mds"), key: hostKey(c.t, n)}
	c.keys.Keep(m.guest.UUID, []ssh.PublicKey{m.key})
	certificates, err := c.authority.Certify(c.t.Context(), m.guest, c.directory(), []ssh.PublicKey{m.key}, month)
	if err != nil {
		c.t.Fatal(err)
	}
	m.certificate = certificates[0]
	return m
}

// A thousand guests are made anew under their names. Clients accept each of
// them at once, by each of its names and addresses, and nobody else there: not the
// guest that had the name before, and not a neighbour.
func TestGuestsMadeAnewUnderOldNames(t *testing.T) {
	const guests = 1000
	h := newHouseIn(t, memorytest.Dir(t))
	c := client{h, h.authority()}
	former := make([]machine, guests)
	for n := range guests {
		former[n] = c.boot(n, fmt.Sprint("guest", n))
	}
	feed := h.inv.Subscribe()
	defer feed.Close()
	for n, old := range former {
		name := old.guest.Name
		if _, err := h.inv.Release(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if c.knows(name, old.key) {
			t.Fatalf("%s is known after its release", name)
		}
		anew := c.boot(guests+n, name)
		neighbour := former[(n+1)%guests]
		hosts := c.directory().Names(anew.guest)
		for _, addr := range Addresses(anew.guest) {
			hosts = append(hosts, addr.String())
		}
		for _, host := range hosts {
			if !c.knows(host, anew.key) || !c.trusts(host, anew.certificate) {
				t.Fatalf("a false alarm for %s", host)
			}
			if c.knows(host, old.key) || c.knows(host, neighbour.key) || c.trusts(host, neighbour.certificate) {
				t.Fatalf("an impostor is taken for %s", host)
			}
		}
		if len(hosts) != 4 || len(c.keys.Of(anew.guest).Changes) != 0 {
			t.Fatalf("%s: hosts %q, changes %v", name, hosts, c.keys.Of(anew.guest).Changes)
		}
	}
	h.follow(feed)
	h.save()
	h.reopen()
	c = client{h, h.authority()}
	if len(h.keys.records) != guests {
		t.Errorf("%d guests are on record, want %d", len(h.keys.records), guests)
	}
	for n := range guests {
		if name := fmt.Sprint("guest", n); !c.knows(name, hostKey(t, guests+n)) {
			t.Fatalf("%s is not known after a restart", name)
		}
	}
}
