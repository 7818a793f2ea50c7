package daemon

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/api"
	"mdserver/internal/client"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/libvirt/libvirttest"
	"mdserver/internal/timeline"
)

// TestBackend checks that commands get an answer of each kind, and that uploads by TCP and by
// the control socket wait in queues of their own.
func TestBackend(t *testing.T) {
	d, _ := newDaemonFor(t, t.TempDir(), "[dnsmasq]\nrun = off\n")
	backend := reflect.ValueOf(d.backend(d.control))
	for i := range backend.NumField() {
		if backend.Field(i).IsZero() {
			t.Errorf("the backend has no %s", backend.Type().Field(i).Name)
		}
	}
	if d.uploading == nil || d.uploading == d.control || d.backend(d.control).Intake != d.control {
		t.Error("uploads by TCP take the places of those by the control socket")
	}
}

// TestCommands checks that commands get what the server knows, by way of the control socket.
func TestCommands(t *testing.T) {
	s := newServer(t)
	s.begin()
	c, ctx := client.New(s.socket), t.Context()
	web := uuid.UUID{15: 1}
	if err := c.Upload(ctx, []byte(domainXML(web, "web")), "start"); err != nil {
		t.Fatal(err)
	}
	guest, ok := s.inventory.Snapshot().ByUUID(web)
	if !ok {
		t.Fatal("the guest is not there")
	}
	const served = "#cloud-config\nntp: {}\n"
	s.timeline.Served(web, timeline.Document{Kind: timeline.UserdataDocument, Body: []byte(served)})
	must := func(what string, ok bool, got any, err error) {
		t.Helper()
		if !ok || err != nil {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}

	boots, err := c.Boots(ctx, "web")
	must("boots", len(boots) == 1 && len(boots[0].Entries) > 0 && boots[0].Entries[0].Source == api.FromHook && boots[0].Verdict.State == api.Booting, boots, err)
	given, err := c.UserdataOf(ctx, "web", 1)
	must("the user-data of a boot", string(given) == served, string(given), err)
	rendered, err := c.Userdata(ctx, "web")
	want, wantErr := s.renderUserdata(ctx, guest)
	must("the user-data of now", bytes.Equal(rendered, want) && len(want) > 0, string(rendered), err)
	must("the user-data that is rendered", wantErr == nil, want, wantErr)
	guests, err := c.Guests(ctx)
	must("guests", len(guests) == 1 && guests[0].Name == "web" && guests[0].Boot != nil, guests, err)
	explained, err := c.Explain(ctx, "web")
	must("the explanation", explained.Name == "web" && explained.Served && explained.Since.Equal(s.started), explained, err)
	certificate, err := c.Identity(ctx)
	must("the identity authority", bytes.Equal(certificate, s.keys.Identity.Certificate()), string(certificate), err)
	saved, err := c.Backup(ctx)
	must("a backup", err == nil, len(saved), err)
	kept, err := backup.Read(bytes.NewReader(saved))
	must("the backup", err == nil && len(kept.Table.Instances) == 1 && kept.Identity != "" && len(kept.Notes) > 0, kept, err)
	progress, err := c.Progress(ctx, api.ProgressQuery{Refs: []string{"web"}})
	must("progress", len(progress.Guests) == 1 && progress.Guests[0].Boot != nil && progress.Revision == s.timeline.Revision(), progress, err)
	keys, err := c.SSHGuests(ctx)
	must("the keys of guests", len(keys) == 1, keys, err)

	document, err := c.Export(ctx, api.FormatJSON)
	must("an export", strings.Contains(string(document), web.String()), string(document), err)
	released, err := c.Release(ctx, "web")
	must("a release", released.UUID == web, released, err)
	_, err = c.Import(ctx, document, false)
	again, ok := s.inventory.Snapshot().ByUUID(web)
	must("an import", ok && again.IPv4 == guest.IPv4, again, err)

	done, err := c.Reload(ctx)
	must("a reload without a change", done.Changed != nil && done.Restart != nil && len(done.Changed)+len(done.Restart) == 0, done, err)
}

// TestSecondRun checks that a server that was stopped leaves all free for the next one, which
// knows the guests, their boots and their host keys.
func TestSecondRun(t *testing.T) {
	s := newServer(t)
	s.begin()
	web := uuid.UUID{15: 1}
	if err := client.New(s.socket).Upload(t.Context(), []byte(domainXML(web, "web")), "start"); err != nil {
		t.Fatal(err)
	}
	s.ssh.Keep(web, []ssh.PublicKey{publicKey(t)})
	s.end()
	if err := <-s.ended; err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	s.told("STOPPING=1")
	go func() { ended <- Serve(ctx, s.file, s.log, nil) }()
	s.told("READY=1")
	boots, err := client.New(s.socket).Boots(ctx, "web")
	if err != nil || len(boots) != 1 {
		t.Errorf("the next server knows the boots %+v, %v", boots, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the next server ends with %v", err)
	}
	third := newDaemon(t, loadFile(t, s.file)) // unless the database is still open
	guest, ok := third.inventory.Snapshot().ByUUID(web)
	if !ok {
		t.Fatal("the guest is gone")
	}
	if keys := third.ssh.Describe(guest).Keys; len(keys) != 1 {
		t.Errorf("its host keys are %+v", keys)
	}
}

// TestExplain checks that the explanation of a guest has what was heard of it and what the
// configuration gives it.
func TestExplain(t *testing.T) {
	d, guests := newDaemonFor(t, t.TempDir(), "[public-keys]\nalice = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmBsuAE8PiXbqJEQgFxRLPC9SmMjRGw3Zs1m2cE6fWp\n[dnsmasq]\nrun = off\n",
		bare.domain, domainAt("10.122.0.10"))
	guest, other := &guests[0], &guests[1]
	d.timeline.Request(guest.UUID, timeline.Request{At: time.Now(), Client: guest.IPv4, Method: "GET", Path: "/latest/user-data", Status: 404})
	d.noteDHCP("mds", guest.MAC, "DHCPREQUEST")
	d.inventory.Refuse(api.Refusal{UUID: guest.UUID, Name: "bare", State: api.Refused, Reason: "no network", Source: instance.ByHook})
	got := d.explain(t.Context(), guest)
	if got.Name != "bare" || got.Refusal == nil || len(got.Requests.Recent) != 1 || got.DHCP == nil || got.DHCP.Message != "DHCPREQUEST" || !got.Since.Equal(d.started) {
		t.Errorf("the explanation is %+v", got)
	}
	if !slices.ContainsFunc(got.Facts, func(f api.Fact) bool { return strings.Contains(f.Value, "alice") }) {
		t.Errorf("the facts lack the key: %+v", got.Facts)
	}
	if len(got.Addresses) != 1 || got.Addresses[0].Address != guest.IPv4 || got.Addresses[0].Network != "mds" {
		t.Errorf("the addresses are %+v", got.Addresses)
	}
	got = d.explain(t.Context(), other)
	if got.Name != "web1" || got.Template.Serves == "" || got.Refusal != nil || len(got.Requests.Recent) != 0 || got.DHCP != nil {
		t.Errorf("the explanation of another guest is %+v", got)
	}
}

// TestDHCPIsCounted checks that guests' DHCP messages are counted, and those of strangers not.
func TestDHCPIsCounted(t *testing.T) {
	d, guests := newDaemonFor(t, t.TempDir(), "[dnsmasq]\nrun = off\n", bare.domain)
	d.noteDHCP("mds", guests[0].MAC, "DHCPREQUEST")
	d.noteDHCP("mds", instance.MAC{2, 9}, "DHCPDISCOVER")
	text := scrape(d)
	for line, counted := range map[string]bool{
		`mdserver_dhcp_messages_total{message="DHCPREQUEST",network="mds"} 1`: true,
		`message="DHCPDISCOVER"`: false,
	} {
		if strings.Contains(text, line) != counted {
			t.Errorf("%s is there: %v", line, !counted)
		}
	}
}

// scrape returns the metrics of a server.
func scrape(d *Daemon) string {
	w := httptest.NewRecorder()
	d.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// TestBootPhasesAreMeasured checks that the phases of guests' boots are among the metrics.
func TestBootPhasesAreMeasured(t *testing.T) {
	d, guests := newDaemonFor(t, t.TempDir(), "[dnsmasq]\nrun = off\n", bare.domain)
	const line = `mdserver_boot_phase_duration_seconds_count{phase="lease"} `
	if text := scrape(d); !strings.Contains(text, line+"0\n") {
		t.Errorf("before a boot, the metrics are %s", text)
	}
	d.timeline.Start(guests[0].UUID, time.Now(), api.FromHook)
	d.noteDHCP("mds", guests[0].MAC, "DHCPACK")
	if text := scrape(d); !strings.Contains(text, line+"1\n") {
		t.Errorf("after a lease, the metrics are %s", text)
	}
}

// TestFoundRunning checks that a guest that ran before the server was told of it is known as
// such until libvirt's hook tells of its start, and that nothing is known of what it does after
// the end of the connection to libvirt.
func TestFoundRunning(t *testing.T) {
	s := newServer(t)
	web := uuid.UUID{15: 1}
	guest := s.beginWithGuest(web)
	if !s.foundRunning(guest()) {
		t.Error("the guest was not found running")
	}
	since := func(f api.Fact) bool { return f.Value == "running since before the server started" }
	if facts := s.explain(t.Context(), guest()).Facts; !slices.ContainsFunc(facts, since) {
		t.Errorf("the explanation does not tell it: %+v", facts)
	}
	if err := client.New(s.socket).Upload(t.Context(), []byte(domainXML(web, "web")), "start"); err != nil {
		t.Fatal(err)
	}
	if s.foundRunning(guest()) {
		t.Error("the guest was found running, although the hook has told of its start")
	}
	s.libvirt.Break(libvirttest.ConnectOpen, true) // it does not come back
	s.libvirt.HangUp()
	s.await("the end of the connection", func() bool { return s.state(guest()) == api.Unknown })
	if status := s.status().Libvirt; status.Connected || status.Domains != 1 || !strings.Contains(status.URI, "libvirt-sock") {
		t.Errorf("the status is %+v", status)
	}
}

// TestStopEndsWaits checks that the end of the server answers those who wait for progress.
func TestStopEndsWaits(t *testing.T) {
	s := newServer(t)
	s.begin()
	s.timeline.Wake()
	c, ended := client.New(s.socket), make(chan error, 1)
	query := api.ProgressQuery{Refs: []string{"nobody"}, Since: s.timeline.Revision(), Wait: time.Hour}
	go func() {
		_, err := c.Progress(t.Context(), query)
		ended <- err
	}()
	s.await("the query", func() bool { return bytes.Contains(goroutines(s), []byte("boots.(*History).Progress")) })
	s.end()
	if err := <-ended; err != nil {
		t.Errorf("the query ends with %v", err)
	}
}
