package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// TestSourcesOfRegistrations checks that the time line gets each registration with its
// source.
func TestSourcesOfRegistrations(t *testing.T) {
	for _, tt := range []struct{ name, path, agent, want string }{
		{"the hook", "/instance-upload", api.HookAgent, instance.ByHook},
		{"any other client", "/instance-upload", "curl/8.0", instance.ByUpload},
		{"the command", "/v1/instances", "", instance.ByCommand},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBackend(t)
			var told, completed string
			b.Complete = func(_ context.Context, d instance.Domain) instance.Domain { completed = d.Source; return d }
			b.Registered = func(guest *instance.Instance, source string) { told = guest.Name + " by " + source }
			w := ask(b, "POST", tt.path, domain("web1", "701", "01", "mds"), "User-Agent: "+tt.agent)
			if w.Code != 200 || completed != tt.want || told != "web1 by "+tt.want {
				t.Errorf("%d %s, completed %q, told %q", w.Code, w.Body, completed, told)
			}
			if told = ""; ask(b, "POST", tt.path, domain("web2", "702", "01", "mds")).Code != 409 || told != "" {
				t.Errorf("a refused registration is reported as %q", told)
			}
		})
	}
}

// TestRegistrationsAreLogged checks that the log says what became of a guest, and what
// failed.
func TestRegistrationsAreLogged(t *testing.T) {
	var log strings.Builder
	b := newBackend(t)
	b.Log = slog.New(slog.NewTextHandler(&log, nil))
	replaced := ""
	for _, tt := range []struct {
		name, body string
		publish    error
		want       string
	}{
		{"a new guest", domain("web1", "701", "01", "mds"), nil, `level=INFO msg="guest registered" guest=web1`},
		{"a known guest", domain("web1", "701", "01", "mds"), nil, `level=INFO msg="guest updated" guest=web1`},
		{"trouble", domain("web1", "701", "01", "mds"), errors.New("dnsmasq is away"), `level=WARN msg="guest updated" guest=web1`},
		{"another domain of the name", domain("web1", "702", "02", "mds"), nil, `replaced=7e5a544d-d555-4133-a443-8229415be701`},
	} {
		log.Reset()
		b.Publish = func(context.Context) error { return tt.publish }
		w := ask(b, "POST", "/v1/instances", tt.body)
		if w.Code != 200 || !strings.Contains(log.String(), tt.want) || tt.publish != nil && !strings.Contains(log.String(), "away") {
			t.Errorf("%s: %d %s, the log is %s", tt.name, w.Code, w.Body, &log)
		}
		replaced = w.Body.String()
	}
	if !strings.Contains(replaced, `"replaced":"7e5a544d-d555-4133-a443-8229415be701"`) {
		t.Errorf("the answer is %s", replaced)
	}
}

// TestGuestsThatYieldAreLogged checks that a guest that is gone gives its MAC address to
// a new one, and that the log says so.
func TestGuestsThatYieldAreLogged(t *testing.T) {
	var log strings.Builder
	b := newBackend(t)
	b.Log = slog.New(slog.NewTextHandler(&log, nil))
	for _, network := range []string{"mds", "default"} { // libvirt starts it on each
		ask(b, "POST", "/instance-upload", domain("old", "701", "01", network), "User-Agent: "+api.HookAgent)
	}
	if w := upload(b, domain("new", "702", "01", "mds")); w.Code != 200 || !strings.Contains(log.String(), "released early") || !strings.Contains(log.String(), "guest=old") {
		t.Errorf("%d %s, the log is %s", w.Code, w.Body, &log)
	}
}

// TestUnpluggedThatCannotBeKept checks that the answer to the start of a domain on none
// of the networks says why it may still be a guest.
func TestUnpluggedThatCannotBeKept(t *testing.T) {
	b := newBackend(t)
	b.Unplugged = func(context.Context, uuid.UUID) error { return errors.New("the disk is full") }
	w := ask(b, "POST", "/instance-upload", domain("web1", "701", "01", "default"), "User-Agent: "+api.HookAgent)
	if w.Code != 422 || !strings.Contains(w.Body.String(), "the disk is full") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestStoppedGuest checks that a guest that stops stays with the host that it came to, or
// goes back to its previous host, depending on libvirt's reason.
func TestStoppedGuest(t *testing.T) {
	for reason, want := range map[string]string{"shutdown": "kvm2", "failed": "kvm1"} {
		b := newBackend(t)
		for _, host := range []struct{ name, query string }{{"kvm1", ""}, {"kvm2", "?operation=migrate"}} {
			b.Inventory.Reconfigure(inventory.Options{HostID: "id of " + host.name, HostName: host.name,
				Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/28")}}})
			if w := ask(b, "POST", "/instance-upload"+host.query, domain("web1", "701", "01", "mds"), "User-Agent: "+api.HookAgent); w.Code != 200 {
				t.Fatalf("on %s: %d %s", host.name, w.Code, w.Body)
			}
		}
		w := ask(b, "POST", "/v1/stopped?reason="+reason, domain("web1", "701", "01", "mds"))
		guest, _ := b.Inventory.Snapshot().ByName("web1")
		if w.Code != 204 || guest.Host != want || guest.FromID != "" {
			t.Errorf("%s: %d %s, its home is %+v, want %s", reason, w.Code, w.Body, guest.Home, want)
		}
	}
}
