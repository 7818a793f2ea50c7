package selection

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/client"
	"mdserver/internal/instance"
)

// inventory is a server that finds guests by any reference that begins with their names. It
// can fail in one of its methods, and records which were called.
type inventory struct {
	guests []api.Guest
	fails  string
	err    error
	asked  []string
}

func (s *inventory) ask(what string) error {
	s.asked = append(s.asked, what)
	if what == s.fails {
		return s.err
	}
	return nil
}

func (s *inventory) Status(context.Context) (api.Status, error) {
	return api.Status{Networks: []api.Network{{Name: "mds", Bridge: "br-mds"}, {Name: "lan", Bridge: "br-lan"}}}, s.ask("status")
}

func (s *inventory) Hosts(context.Context) ([]api.Host, error) {
	return []api.Host{{ID: "id-1", Name: "kvm1"}}, s.ask("hosts")
}

func (s *inventory) Guests(context.Context) ([]api.Guest, error) { return s.guests, s.ask("guests") }

func (s *inventory) Refusals(context.Context) ([]api.Refusal, error) {
	return []api.Refusal{{Name: "twin"}}, s.ask("refusals")
}

func (s *inventory) Instance(_ context.Context, ref string) (instance.Instance, error) {
	if err := s.ask("instance"); err != nil {
		return instance.Instance{}, err
	}
	i := slices.IndexFunc(s.guests, func(g api.Guest) bool { return strings.HasPrefix(ref, g.Name) })
	if i < 0 {
		return instance.Instance{}, &client.Error{Status: 404, Code: api.CodeNotFound, Message: "no such guest: " + ref}
	}
	return s.guests[i].Instance, nil
}

func newInventory() *inventory {
	guest := func(n byte, name, network string) api.Guest {
		return api.Guest{State: api.Running, Instance: instance.Instance{Name: name, UUID: uuid.UUID{n}, Network: network, Home: instance.Home{Host: "kvm1", HostID: "id-1"}}}
	}
	return &inventory{guests: []api.Guest{guest(1, "a", "mds"), guest(2, "b", "lan"), guest(3, "c", "mds")}}
}

// TestGuests checks that names and filters combine, and that a list of all has other domains.
func TestGuests(t *testing.T) {
	for name, tt := range map[string]struct {
		flags, names string
		want         string // the guests and the other domains, or the error
		asked        string
	}{
		"all":                {"", "", "a b c, twin", "status guests refusals"},
		"by name":            {"", "c a", "a c", "status instance instance guests"},
		"one by two names":   {"", "a a-address", "a", "status instance instance guests"},
		"by network":         {"--network mds", "", "a c", "status guests"},
		"by host":            {"--host kvm1 --network lan", "", "b", "status hosts guests"},
		"by both":            {"--network mds", "a b", "a", "status instance instance guests"},
		"none":               {"--state off", "", "", "status guests"},
		"an unknown network": {"--network wan", "a", `--network: no network "wan" is served; accepted: mds, lan`, "status"},
		"an unknown host":    {"--host kvm2", "a", `--host: there is no host "kvm2"; accepted: kvm1`, "status hosts"},
		"unknown names":      {"", "x a y", "no such guest: x\nno such guest: y", "status instance instance instance"},
	} {
		t.Run(name, func(t *testing.T) {
			filter, err := parsed(t, tt.flags)
			if err != nil {
				t.Fatal(err)
			}
			s := newInventory()
			list, err := Guests(t.Context(), s, filter, strings.Fields(tt.names))
			var names []string
			for _, g := range list.Guests {
				names = append(names, g.Name)
			}
			got := strings.Join(names, " ")
			for _, r := range list.Others {
				got += ", " + r.Name
			}
			if err != nil {
				got += err.Error()
			}
			if got != tt.want || strings.Join(s.asked, " ") != tt.asked {
				t.Errorf("%q after asking for %s, want %q after %s", got, s.asked, tt.want, tt.asked)
			}
			if list.Guests == nil || list.Bridges["lan"] != "br-lan" || list.Now.IsZero() {
				t.Errorf("guests %v, bridges %v, now %v", list.Guests, list.Bridges, list.Now)
			}
		})
	}
	for _, fails := range []string{"status", "hosts", "instance", "guests", "refusals"} {
		s := newInventory()
		s.fails, s.err = fails, client.ErrNotRunning
		filter, names := Filter{}, []string{}
		switch fails {
		case "hosts":
			filter.hosts = []string{"kvm1"}
		case "instance":
			names = []string{"a"}
		}
		if _, err := Guests(t.Context(), s, filter, names); !errors.Is(err, client.ErrNotRunning) || s.asked[len(s.asked)-1] != fails {
			t.Errorf("%s fails: %v after asking for %s", fails, err, s.asked)
		}
	}
}

// TestNamesakes checks that guests are told apart by their UUIDs, whatever names they have.
func TestNamesakes(t *testing.T) {
	s := newInventory()
	s.guests[1].Name = "a"
	list, err := Guests(t.Context(), s, Filter{}, []string{"a"})
	if err != nil || len(list.Guests) != 1 || list.Guests[0].UUID != s.guests[0].UUID {
		t.Errorf("%+v, %v", list.Guests, err)
	}
}

// TestFind checks that Find finds the other guests if a name is unknown, but stops asking a server
// that does not answer.
func TestFind(t *testing.T) {
	find := func(s *inventory, names string) (string, error) {
		found, err := Find(t.Context(), s, strings.Fields(names))
		var list []string
		for _, g := range found {
			list = append(list, g.Name)
		}
		return strings.Join(list, " "), err
	}
	if got, err := find(newInventory(), "c x a c a-address y"); got != "c a" || err == nil || err.Error() != "no such guest: x\nno such guest: y" {
		t.Errorf("found %s, %v", got, err)
	}
	if got, err := find(newInventory(), ""); got != "" || err != nil {
		t.Errorf("found %s, %v", got, err)
	}
	s := newInventory()
	s.fails, s.err = "instance", client.ErrUnreachable
	if got, err := find(s, "a b c"); got != "" || !errors.Is(err, client.ErrUnreachable) || len(s.asked) != 1 {
		t.Errorf("found %s, %v after %d requests", got, err, len(s.asked))
	}
}
