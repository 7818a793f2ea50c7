package definition

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
)

const (
	now   = "<domain><name>web</name></domain>"
	whole = "<domain><name>web</name><uuid>6f1c2d3e-0000-4000-8000-000000000001</uuid><graphics passwd='secret'/></domain>"
)

// server is a libvirt with four domains: one that runs, one with a saved state, a
// transient one, and one whose name is the UUID of the first.
func server(t *testing.T) (*libvirttest.Server, connection.Endpoint) {
	s := libvirttest.InMemory(t)
	web := uuid.MustParse("6f1c2d3e-0000-4000-8000-000000000001")
	for _, d := range []libvirttest.Domain{
		{UUID: web, Name: "web", XML: now, Stored: whole, Running: true},
		{UUID: uuid.UUID{2}, Name: "saved", XML: now, Stored: "saved", Saved: true},
		{UUID: uuid.UUID{3}, Name: "transient", XML: now, Running: true, Transient: true},
		{UUID: uuid.UUID{4}, Name: uuid.UUID{5}.String(), XML: now, Stored: "named like a UUID"},
		{UUID: uuid.UUID{5}, Name: "other", XML: now, Stored: "has that UUID"},
	} {
		s.Define(d)
	}
	return s, connection.Endpoint{Socket: s.Socket, Dialer: s}
}

// The definition is the stored one, whole, whether its domain is named or given by its
// UUID.
func TestRead(t *testing.T) {
	_, endpoint := server(t)
	for ref, want := range map[string]Domain{
		"web":                                  {XML: whole, Running: true},
		"6f1c2d3e-0000-4000-8000-000000000001": {XML: whole, Running: true},
		"saved":                                {XML: "saved", Saved: true},
		uuid.UUID{2}.String():                  {XML: "saved", Saved: true},
		uuid.UUID{5}.String():                  {XML: "named like a UUID"},
		"other":                                {XML: "has that UUID"},
	} {
		if got, err := Read(t.Context(), endpoint, ref); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", ref, got, err, want)
		}
	}
	for ref, want := range map[string]string{
		"absent":              "libvirt has no domain \"absent\"; `virsh list --all` lists all domains",
		uuid.UUID{9}.String(): "libvirt has no domain \"" + uuid.UUID{9}.String() + "\"; `virsh list --all` lists all domains",
		"transient":           errTransient.Error(),
	} {
		if got, err := Read(t.Context(), endpoint, ref); err == nil || err.Error() != want || got != (Domain{}) {
			t.Errorf("%s: %+v, %v, want %s", ref, got, err, want)
		}
	}
}

// What is stored is read again, and its domain runs on as it was.
func TestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, endpoint := server(t)
		changed := strings.Replace(whole, "secret", "changed", 1)
		if err := Store(t.Context(), endpoint, changed); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(t.Context(), endpoint, "web"); err != nil || got.XML != changed || !got.Running {
			t.Errorf("%+v, %v", got, err)
		}
		if err := Store(t.Context(), endpoint, "<domain"); err == nil {
			t.Error("stored what is no definition")
		}
		if synctest.Wait(); s.Connections() > 0 {
			t.Errorf("%d connections are left", s.Connections())
		}
	})
}

// Each call that libvirt refuses is an error, and none is that of a libvirt that does not
// answer.
func TestRefusals(t *testing.T) {
	for name, call := range map[string]libvirttest.Procedure{
		"the name": libvirttest.DomainLookupName, "whether it is stored": libvirttest.DomainPersistent,
		"the saved state": libvirttest.DomainHasSaved, "the definition": libvirttest.DomainGetXML,
	} {
		s, endpoint := server(t)
		s.Refuse(call, golibvirt.ErrAccessDenied)
		if _, err := Read(t.Context(), endpoint, "web"); err == nil || !strings.Contains(err.Error(), "refused by the test") || errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, endpoint := server(t)
	s.Refuse(libvirttest.ConnectOpen, golibvirt.ErrAccessDenied)
	if _, err := Read(t.Context(), endpoint, "web"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("%v", err)
	}
	if err := Store(t.Context(), endpoint, whole); !errors.Is(err, ErrUnreachable) {
		t.Errorf("%v", err)
	}
}
