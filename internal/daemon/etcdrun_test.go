package daemon

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/client"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/health"
	"mdserver/internal/sealed"
)

// TestRunWithEtcd checks that a running server that shares its inventory is known to other
// hosts, claims spare addresses, warns of guests that start while it is drained, and shares
// its keys, also those that it makes later.
func TestRunWithEtcd(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	key := filepath.Join(t.TempDir(), "store.key")
	writeFile(t, key, sealed.NewKey()+"\n")
	s := newServer(t, "[store]\nbackend = etcd\nendpoints = "+strings.Join(cluster.Endpoints(), ", ")+"\nkey = "+key+"\n")
	s.begin()
	s.await("the host to be known to others", func() bool { return s.store.Fleet.Alive(s.store.HostID) })
	s.await("spare addresses", func() bool { return len(s.inventory.Snapshot().Spares()) > 0 })
	if !slices.ContainsFunc(s.reporter.Health(), func(p health.Part) bool { return p.Name == "keys" && p.State == health.OK }) {
		t.Errorf("the health is %+v", s.reporter.Health())
	}

	revision := s.timeline.Revision()
	if _, err := s.hosts.Drain(t.Context(), s.store.HostID, true); err != nil {
		t.Fatal(err)
	}
	s.await("the server to know that it is drained", s.store.Drained)
	s.await("the drain to wake those who wait", func() bool { return s.timeline.Revision() > revision })
	if err := client.New(s.socket).Upload(t.Context(), []byte(domainXML(guestDomain(1, "web").UUID, "web")), "start"); err != nil {
		t.Fatal(err)
	}
	s.await("a warning of the guest that starts", func() bool {
		return strings.Contains(s.log.String(), "a guest starts on this host, which is drained")
	})

	shared := func() string {
		text, err := s.store.Database.Note(t.Context(), "store/keys")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := shared()
	if err := s.ssh.RotateCA(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.await("the new key to be shared", func() bool { return shared() != before })
}
