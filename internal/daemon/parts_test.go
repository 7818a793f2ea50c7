package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/admission"
	"mdserver/internal/api"
	"mdserver/internal/caller"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/etcd"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/logtest"
	"mdserver/internal/networks"
)

// TestStateOf checks that a guest that is gone or away is reported so, whatever its domain
// does.
func TestStateOf(t *testing.T) {
	for _, tt := range []struct {
		presence       instance.PresenceState
		running, known bool
		want           api.State
	}{
		{instance.Present, true, true, api.Running},
		{instance.Present, false, true, api.Off},
		{instance.Present, false, false, api.Unknown},
		{"", true, true, api.Running},
		{"", false, false, api.Unknown},
		{instance.Gone, true, true, api.Gone},
		{instance.Away, true, true, api.Away},
		{instance.Away, false, false, api.Away},
	} {
		guest := &instance.Instance{Presence: instance.Presence{State: tt.presence}}
		if got := stateOf(guest, tt.running, tt.known); got != tt.want {
			t.Errorf("%q, running %v, known %v: %s, want %s", tt.presence, tt.running, tt.known, got, tt.want)
		}
	}
}

func TestKnownBy(t *testing.T) {
	for _, tt := range []struct {
		verify   admission.Verify
		savesSYN bool
		want     string
	}{
		{admission.VerifyNone, true, admission.ByAddress},
		{admission.VerifyNone, false, admission.ByAddress},
		{"strict", true, admission.BySYN},
		{"strict", false, admission.ByNeighbour},
	} {
		if got := knownBy(tt.verify, tt.savesSYN); got != tt.want {
			t.Errorf("verify %s, saves SYNs %v: %s, want %s", tt.verify, tt.savesSYN, got, tt.want)
		}
	}
}

// TestHears checks that only a dnsmasq that is the server's child can be heard.
func TestHears(t *testing.T) {
	served := []networks.Status{
		{Network: instance.Network{Name: "child"}, Dnsmasq: &api.Dnsmasq{Mode: api.DnsmasqChild}},
		{Network: instance.Network{Name: "external"}, Dnsmasq: &api.Dnsmasq{Mode: api.DnsmasqExternal}},
		{Network: instance.Network{Name: "libvirt"}},
	}
	for network, want := range map[string]bool{"child": true, "external": false, "libvirt": false, "none": false} {
		if got := hears(served, network); got != want {
			t.Errorf("%s: %v, want %v", network, got, want)
		}
	}
}

// TestRefusesStart checks that a start goes on only if etcd has not taken a change, which is
// made up for later.
func TestRefusesStart(t *testing.T) {
	away, strange := fmt.Errorf("%w: no leader", inventory.ErrStore), errors.New("strange")
	for _, tt := range []struct {
		name    string
		etcd    bool
		err     error
		refuses bool
		logged  bool
	}{
		{"nothing is wrong", false, nil, false, false},
		{"nothing is wrong with etcd", true, nil, false, false},
		{"a database that cannot be written", false, away, true, false},
		{"an etcd that is away", true, away, false, true},
		{"something else with etcd", true, strange, true, false},
	} {
		log := &logtest.Buffer{}
		d := &Daemon{store: &store.Store{}, log: slog.New(slog.NewTextHandler(log, nil))}
		if tt.etcd {
			d.store.Etcd = &etcd.Client{}
		}
		if got := d.refusesStart(tt.err); got != tt.refuses || strings.Contains(log.String(), "etcd has not taken a change at the start") != tt.logged {
			t.Errorf("%s: %v, want %v: %s", tt.name, got, tt.refuses, log)
		}
	}
}

// TestNoteRequest checks that a guest's requests are noted, except accepted reports, of which
// there are a hundred in a boot.
func TestNoteRequest(t *testing.T) {
	d, guests := newDaemonFor(t, t.TempDir(), "[dnsmasq]\nrun = off\n", bare.domain)
	guest := &guests[0]
	here := netip.MustParseAddr("127.0.0.1")
	for _, tt := range []struct {
		name   string
		path   string
		caller caller.Caller
		status int
		want   bool
	}{
		{"a guest's request", "/latest/meta-data/", caller.Caller{Addr: guest.IPv4, Guest: guest}, 200, true},
		{"a guest's request that is refused", "/nowhere", caller.Caller{Addr: guest.IPv4, Guest: guest}, 404, true},
		{"an accepted report", "/mdserver/report", caller.Caller{Addr: guest.IPv4, Guest: guest}, 204, false},
		{"a refused report", "/mdserver/report", caller.Caller{Addr: guest.IPv4, Guest: guest}, 400, true},
		{"this host's request", "/latest/meta-data/", caller.Caller{Addr: here, Local: true}, 200, false},
		{"a stranger's request", "/latest/meta-data/", caller.Caller{Addr: netip.MustParseAddr("10.122.9.9")}, 400, false},
		{"a guest that asks as the watchdog", "/mdserver-watchdog", caller.Caller{Addr: guest.IPv4, Guest: guest, Local: true}, 404, true},
	} {
		at := time.Now()
		d.noteRequest(httptest.NewRequest("GET", tt.path, nil), httpcommon.Answer{Caller: tt.caller, At: at, Status: tt.status})
		recent := d.timeline.Requests.Of(guest.UUID).Recent
		if noted := len(recent) > 0; noted != tt.want {
			t.Errorf("%s: noted %+v, want %v", tt.name, recent, tt.want)
		} else if noted {
			if r := recent[0]; len(recent) != 1 || !r.At.Equal(at) || r.Client != guest.IPv4 || r.Method != "GET" || r.Path != tt.path || r.Status != tt.status {
				t.Errorf("%s: %+v", tt.name, recent)
			}
		}
		d.timeline.Requests.Forget(guest.UUID)
	}
}

// TestMonitoredGuests checks that monitoring gets each guest once and no secrets.
func TestMonitoredGuests(t *testing.T) {
	d, guests := newDaemonFor(t, t.TempDir(), "[dnsmasq]\nrun = off\n", bare.domain, domainAt("10.122.0.10"))
	if err := d.inventory.SetPassword(t.Context(), guests[0].UUID, "c2VjcmV0"); err != nil {
		t.Fatal(err)
	}
	list := d.listGuests()
	if len(list) != 2 || list[0].Name != "bare" || list[1].Name != "web1" {
		t.Errorf("the guests are %+v", list)
	}
	for _, guest := range list {
		if guest.Password != "" || guest.State != api.Unknown {
			t.Errorf("%s is %s, and its password %q is shown", guest.Name, guest.State, guest.Password)
		}
	}
	if counts := d.countGuests(); len(counts) != 1 || counts[api.Unknown] != 2 {
		t.Errorf("the states are %v", counts)
	}
	total := 0
	for _, n := range d.countBoots() {
		total += n
	}
	if total != 2 {
		t.Errorf("the boots are counted as %v", d.countBoots())
	}
	if ported := d.guests(); len(ported) != 2 {
		t.Errorf("port security knows %v", ported)
	}
	if !d.isGuest(guests[0].MAC) || d.isGuest(instance.MAC{1}) {
		t.Error("the guests' MAC addresses are not those of guests alone")
	}
}

// TestMonitoringHosts checks that monitoring answers to the host's short and long names, and
// to the names in accept_hosts.
func TestMonitoringHosts(t *testing.T) {
	cfg := &config.Config{Service: config.Service{Hostname: "kvm1.example.net"}, Server: config.Server{AcceptHosts: []string{"metrics.example.net"}}}
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for host, want := range map[string]int{
		"kvm1.example.net:9810": 200, "kvm1:9810": 200, "localhost": 200, "metrics.example.net": 200,
		"kvm1.example.org": 421, "example.net": 421, "kvm2": 421,
	} {
		r, w := httptest.NewRequest("GET", "/metrics", nil), httptest.NewRecorder()
		r.Host = host
		monitoringHosts(cfg).Only(ok).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
}

// TestServeFails checks that a failed start returns the kind of its cause, and leaves the
// database free for the next start.
func TestServeFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(dir, text string) string
		check  func(err error) bool
		logged bool
		// stopped: the server is stopped while it starts.
		stopped bool
	}{
		{"a configuration with a fault", func(_, text string) string { return text + "[metrics]\nlisten = none of all\n" }, func(err error) bool {
			var refused *ConfigError
			return errors.As(err, &refused) && strings.HasPrefix(err.Error(), "configuration refused:\n") && refused.Unwrap() != nil
		}, false, false},
		{"a database that cannot be read", func(dir, text string) string {
			_ = os.WriteFile(filepath.Join(dir, "mdserver.db"), []byte(strings.Repeat("no database", 1000)), 0o600)
			return text
		}, func(err error) bool { return errors.Is(err, store.ErrDatabase) }, true, false},
		{"a database that cannot be read when the server is stopped", func(dir, text string) string {
			_ = os.WriteFile(filepath.Join(dir, "mdserver.db"), []byte(strings.Repeat("no database", 1000)), 0o600)
			return text
		}, func(err error) bool { return errors.Is(err, store.ErrDatabase) }, true, true},
		{"guests that cannot be taken over", func(dir, text string) string {
			_ = os.WriteFile(filepath.Join(dir, "db_file.json"), []byte("{broken"), 0o600)
			return strings.Replace(text, "[libvirt]", "db_file = "+dir+"/db_file.json\n[libvirt]", 1)
		}, func(err error) bool { return err != nil && strings.Contains(err.Error(), "cannot be imported") }, true, false},
		{"keys that cannot be made", func(dir, text string) string {
			return strings.Replace(text, dir+"/identity", "/proc/identity", 1)
		}, func(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "identity authority: ") }, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file, log := filepath.Join(dir, "mdserver.conf"), &logtest.Buffer{}
			text := strings.ReplaceAll("[mdserver]\ndatabase = DIR/mdserver.db\nsocket = DIR/sock\nidentity = DIR/identity\nlogfile = DIR/log\nlisten_address = 127.0.0.1\n[libvirt]\nuri = off\n", "DIR", dir)
			if err := os.WriteFile(file, []byte(tt.change(dir, text)), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if tt.stopped {
				stop()
			}
			if err := Serve(ctx, file, log, nil); !tt.check(err) {
				t.Errorf("it ends with %v", err)
			}
			if strings.Contains(log.String(), "mdserver ends") != tt.logged {
				t.Errorf("the log has %s", log)
			}
			if !strings.Contains(log.String(), "created the inventory") {
				return // there is no database that could be open
			}
			database, err := boltstore.Open(filepath.Join(dir, "mdserver.db"), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatalf("the database is still open: %v", err)
			}
			_ = database.Close()
		})
	}
}

// TestRefusalOf checks that a refused definition is reported for its own guest only.
func TestRefusalOf(t *testing.T) {
	d, guests := newDaemonFor(t, t.TempDir(), "[dnsmasq]\nrun = off\n", bare.domain)
	if got := d.refusalOf(&guests[0]); got != nil {
		t.Errorf("it is refused: %+v", got)
	}
	d.inventory.Refuse(api.Refusal{UUID: guests[0].UUID, Name: "bare", State: api.Refused, Reason: "no network", Source: instance.ByHook})
	if got := d.refusalOf(&guests[0]); got == nil || got.Reason != "no network" {
		t.Errorf("its refusal is %+v", got)
	}
	if got := d.refusalOf(&instance.Instance{UUID: uuid.UUID{1}}); got != nil {
		t.Errorf("another guest is refused: %+v", got)
	}
}

// TestReleased checks that a guest's reports are forgotten at its release, and not at other
// changes.
func TestReleased(t *testing.T) {
	one, other := &instance.Instance{UUID: uuid.UUID{1}}, &instance.Instance{UUID: uuid.UUID{2}}
	got := released([]instance.Event{{New: one}, {Old: one, New: one}, {Old: other}})
	if len(got) != 1 || got[0] != other.UUID {
		t.Errorf("released are %v, want %v", got, other.UUID)
	}
}
