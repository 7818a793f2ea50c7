package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/client"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/libvirt"
)

// newBackend is a backend on a network of fourteen hosts, one of them the
// gateway, with a database of its own.
func newBackend(t *testing.T) Backend {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := boltstore.Open(filepath.Join(t.TempDir(), "mdserver.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	gateway := netip.MustParseAddr("10.122.0.1")
	inv, err := inventory.Open(t.Context(), store, inventory.Options{Networks: []instance.Network{{
		Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/28"),
		Excluded: []instance.AddrRange{{First: gateway, Last: gateway}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inv.Close(); err != nil {
			t.Error(err)
		}
	})
	return Backend{
		Inventory: inv,
		Refresh:   func(context.Context) {},
		Publish:   func(context.Context) error { return nil },
		Userdata: func(_ context.Context, guest *instance.Instance) ([]byte, error) {
			if guest.Name == "broken" {
				return nil, errors.New("broken.yaml:3: NameError: name 'x' is not defined")
			}
			return []byte("user-data of " + guest.Name), nil
		},
		Complete: func(_ context.Context, d instance.Domain) instance.Domain { return d },
		Unplugged: func(ctx context.Context, id uuid.UUID) error {
			_, err := inv.Unplug(ctx, id)
			return err
		},
		Export: func(_ context.Context, w io.Writer, format string) error {
			_, err := io.WriteString(w, "{}")
			return err
		},
		Status: func() api.Status { return api.Status{Version: "1.2.3"} },
		Brief: func(guest *instance.Instance) api.Guest {
			return api.Guest{Instance: guest.WithoutSecrets(), State: api.Unknown}
		},
		Registered: func(*instance.Instance, string) {},
		Reload:     func(context.Context) (api.Reloaded, error) { return api.Reloaded{}, errors.New("line 3: bad") },
		Intake:     NewIntake(),
		Log:        log,
	}
}

// serveSocket serves the backend on a Unix socket and returns a client of it.
func serveSocket(t *testing.T, b Backend) *client.Client { return client.New(listen(t, b)) }

// listen serves the backend on a Unix socket and returns the socket's path.
func listen(t *testing.T, b Backend) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: b.Handler(), ReadHeaderTimeout: time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return socket
}

// domain is a definition with one interface on a network.
func domain(name, uuid, mac, network string) string {
	return "<domain type='kvm'>\n  <name>" + name + "</name>\n  <uuid>7e5a544d-d555-4133-a443-8229415be" + uuid + "</uuid>\n" +
		"  <devices>\n    <interface type='network'>\n      <mac address='52:54:00:09:00:" + mac + "'/>\n" +
		"      <source network='" + network + "'/>\n    </interface>\n  </devices>\n</domain>\n"
}

func upload(b Backend, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/instance-upload", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	b.Upload(w, r)
	return w
}

func TestUploadAsCurlSendsIt(t *testing.T) {
	b := newBackend(t)
	joined := strings.ReplaceAll(domain("web1", "701", "01", "mds"), "\n", "")
	if w := upload(b, joined); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Fatalf("%d %q, want 200 and nothing", w.Code, w.Body)
	}
	inst, ok := b.Inventory.Snapshot().ByName("web1")
	if !ok || !inst.IPv4.IsValid() || inst.MAC.String() != "52:54:00:09:00:01" {
		t.Errorf("registered %+v", inst)
	}
}

// A guest that libvirt starts on other networks alone is gone from ours. By
// anybody else's word it stays.
func TestUploadOfTheUnplugged(t *testing.T) {
	for agent, want := range map[string]instance.PresenceState{api.HookAgent: instance.Gone, "curl/8.0": ""} {
		b := newBackend(t)
		for _, network := range []string{"mds", "default"} {
			r := httptest.NewRequest(http.MethodPost, "/instance-upload", strings.NewReader(domain("web1", "701", "01", network)))
			r.Header.Set("User-Agent", api.HookAgent)
			if network == "default" {
				r.Header.Set("User-Agent", agent)
			}
			b.Upload(httptest.NewRecorder(), r)
		}
		if guest, ok := b.Inventory.Snapshot().ByName("web1"); !ok || guest.Presence.State != want {
			t.Errorf("by %s it is %+v", agent, guest)
		}
	}
}

func TestUploadRefusals(t *testing.T) {
	b := newBackend(t)
	if w := upload(b, domain("web1", "701", "01", "mds")); w.Code != http.StatusOK {
		t.Fatal(w.Body)
	}
	metadata := func(key, value string) string {
		return strings.Replace(domain("web2", "702", "02", "mds"), "<devices>",
			`<metadata><m:`+key+` xmlns:m="urn:md_server:domain_metadata">`+value+`</m:`+key+`></metadata><devices>`, 1)
	}
	web1, _ := b.Inventory.Snapshot().ByName("web1")
	tests := []struct {
		name, body string
		status     int
		want       []string
	}{
		{"nothing", "", 400, []string{"empty"}},
		{"broken XML", "<domain><name>", 400, []string{"broken XML"}},
		{"another document", "<network/>", 400, []string{"<network>", "not <domain>", "virsh dumpxml"}},
		{"too large", strings.Repeat("x", libvirt.MaxDomainXML+1), 413, []string{"larger than 1048576 bytes"}},
		{"a slash in the name", domain("a/b", "702", "02", "mds"), 400, []string{"a/b"}},
		{"no interface on the network", domain("web2", "702", "02", "default"), 422, []string{"web2", "mds", "default"}},
		{"another guest's MAC", domain("web2", "702", "01", "mds"), 409, []string{"web1", "web2", "52:54:00:09:00:01"}},
		{"another guest's host name", metadata("hostname", "web1"), 409, []string{"web1", "web2"}},
		{"another guest's address", metadata("ipv4", web1.IPv4.String()), 409, []string{"web1", "web2"}},
		{"an address outside", metadata("ipv4", "10.9.9.9"), 422, []string{"10.9.9.9", "10.122.0.0/28"}},
		{"the gateway's address", metadata("ipv4", "10.122.0.1"), 422, []string{"10.122.0.1"}},
	}
	before := b.Inventory.Snapshot()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := upload(b, tt.body)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			for _, want := range tt.want {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("%q does not say %q", w.Body, want)
				}
			}
			if b.Inventory.Snapshot().Revision() != before.Revision() {
				t.Error("the refused upload changed the inventory")
			}
		})
	}
}

func TestAFullNetworkIsSaidAndTheGuestRegistered(t *testing.T) {
	b := newBackend(t)
	for i := range 13 { // 16 addresses less network, broadcast and gateway
		hex := string("0123456789abcdef"[i])
		if w := upload(b, domain("vm"+hex, "70"+hex, "0"+hex, "mds")); w.Code != 200 || w.Body.Len() != 0 {
			t.Fatalf("guest %d: %d %q", i, w.Code, w.Body)
		}
	}
	w := upload(b, domain("last", "7ff", "ff", "mds"))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "10.122.0.0/28") {
		t.Errorf("%d %q, want 200 and a warning that names the network", w.Code, w.Body)
	}
	if last, ok := b.Inventory.Snapshot().ByName("last"); !ok || last.IPv4.IsValid() {
		t.Errorf("the guest without an address: %+v", last)
	}
}

func TestClient(t *testing.T) {
	ctx := t.Context()
	c := serveSocket(t, newBackend(t))
	const odd = `a b,"c"&d?ref=x#é`
	for _, guest := range []struct{ name, uuid, mac string }{{"web1", "701", "01"}, {"broken", "702", "02"}, {"ODD", "703", "03"}} {
		xml := domain(guest.name, guest.uuid, guest.mac, "mds")
		xml = strings.ReplaceAll(xml, "ODD", `a b,"c"&amp;d?ref=x#é`)
		r, err := c.Register(ctx, []byte(xml))
		if err != nil || !r.Created || r.Warning != "" {
			t.Fatalf("%s: %+v, %v", guest.name, r, err)
		}
	}
	all, err := c.Instances(ctx)
	if err != nil || len(all) != 3 || all[0].Name != odd || all[2].Name != "web1" {
		t.Errorf("instances %+v, %v", all, err)
	}
	for _, ref := range []string{odd, "7e5a544d-d555-4133-a443-8229415be703", "52:54:00:09:00:03", all[0].ID, all[0].IPv4.String(), all[0].Hostname} {
		if inst, err := c.Instance(ctx, ref); err != nil || inst.Name != odd {
			t.Errorf("by %q: %q, %v", ref, inst.Name, err)
		}
	}
	if body, err := c.Userdata(ctx, "web1"); err != nil || string(body) != "user-data of web1" {
		t.Errorf("user-data %q, %v", body, err)
	}
	if _, err := c.Userdata(ctx, "broken"); err == nil || !strings.Contains(err.Error(), "broken.yaml:3") {
		t.Errorf("user-data of a broken template: %v", err)
	}
	if data, err := c.Export(ctx, "legacy"); err != nil || string(data) != "{}" {
		t.Errorf("export %q, %v", data, err)
	}
	if _, err := c.Export(ctx, "csv"); err == nil || !strings.Contains(err.Error(), "accepted: legacy") {
		t.Errorf("export as csv: %v", err)
	}
	if s, err := c.Status(ctx); err != nil || s.Version != "1.2.3" {
		t.Errorf("status %+v, %v", s, err)
	}
	if _, err := c.Reload(ctx); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("reload: %v", err)
	}
	if gone, err := c.Release(ctx, odd); err != nil || gone.Name != odd {
		t.Errorf("release %+v, %v", gone, err)
	}
	var refusal *client.Error
	if _, err := c.Release(ctx, odd); !errors.As(err, &refusal) || refusal.Status != http.StatusNotFound {
		t.Errorf("second release: %v", err)
	}
}

func TestPublishTroubleIsAWarning(t *testing.T) {
	b := newBackend(t)
	b.Publish = func(context.Context) error { return errors.New("dnsmasq does not answer") }
	r, err := serveSocket(t, b).Register(t.Context(), []byte(domain("web1", "701", "01", "mds")))
	if err != nil || r.Warning != "dnsmasq does not answer" {
		t.Errorf("%+v, %v: a guest is registered even if dnsmasq is in trouble", r, err)
	}
}

// A guest's password is shown when it is asked for, and never in passing.
func TestPassword(t *testing.T) {
	b := newBackend(t)
	c := serveSocket(t, b)
	const xml = "701"
	registered, err := c.Register(t.Context(), []byte(domain("win1", xml, "01", "mds")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Password(t.Context(), "win1"); err == nil || !strings.Contains(err.Error(), `guest "win1" has posted no password`) {
		t.Errorf("before: %v", err)
	}
	if err := b.Inventory.SetPassword(t.Context(), registered.Instance.UUID, "c2VjcmV0"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Password(t.Context(), "win1"); err != nil || string(got) != "c2VjcmV0" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.Password(t.Context(), "nobody"); err == nil {
		t.Error("an unknown guest has a password")
	}
	all, err := c.Instances(t.Context())
	if err != nil || len(all) != 1 || all[0].Password != "" {
		t.Errorf("the list shows %+v, %v", all, err)
	}
	if one, err := c.Instance(t.Context(), "win1"); err != nil || one.Password != "" {
		t.Errorf("the record shows %q, %v", one.Password, err)
	}
	if again, err := c.Register(t.Context(), []byte(domain("win1", xml, "01", "mds"))); err != nil || again.Instance.Password != "" {
		t.Errorf("a registration shows %q, %v", again.Instance.Password, err)
	}
	if gone, err := c.Release(t.Context(), "win1"); err != nil || gone.Password != "" {
		t.Errorf("a release shows %q, %v", gone.Password, err)
	}
}

// A domain that stops is never registered, and what is no domain is refused.
func TestStopped(t *testing.T) {
	b := newBackend(t)
	c := serveSocket(t, b)
	if err := c.Stopped(t.Context(), []byte(domain("web1", "701", "01", "mds")), "shutdown"); err != nil {
		t.Error(err)
	}
	if count := b.Inventory.Snapshot().Len(); count != 0 {
		t.Errorf("%d guests were registered", count)
	}
	for _, body := range []string{"", "<network/>", "<domain><name>web1</name></domain>"} {
		if err := c.Stopped(t.Context(), []byte(body), "-"); err == nil || !strings.Contains(err.Error(), "400 Bad Request") {
			t.Errorf("%q: %v, want a refusal", body, err)
		}
	}
}

// The original's hook throws the answer away: the log has to tell why a guest
// is not registered.
func TestRefusedUploadsAreLogged(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{"<domain><name>web1</name></domain>", "no <uuid>"},
		{strings.Repeat(" ", libvirt.MaxDomainXML+1), "larger than"},
		{domain("web1", "701", "01", "default"), "no interface on the metadata network"},
	} {
		var log strings.Builder
		b := newBackend(t)
		b.Log = slog.New(slog.NewTextHandler(&log, nil))
		if w := upload(b, tt.body); w.Code/100 != 4 {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), tt.want) {
			t.Errorf("logged %q, want a warning that says %q", log.String(), tt.want)
		}
	}
}
