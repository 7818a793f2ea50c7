package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/draft"
)

const emptyDocument = `{"format": "mdserver-inventory", "version": 1, "instances": [], "resting": []}`

// newWorking returns a backend whose work fails with err, or succeeds if err is nil.
func newWorking(t *testing.T, err error) Backend {
	b := newBackend(t)
	upload(b, domain("web1", "701", "01", "mds"))
	write := func(w io.Writer, text string) error {
		_, _ = io.WriteString(w, text)
		return err
	}
	b.Export = func(_ context.Context, w io.Writer, format string) error { return write(w, "as "+format) }
	b.Backup = func(_ context.Context, w io.Writer) error { return write(w, "everything") }
	b.Reload = func(context.Context) (api.Reloaded, error) { return api.Reloaded{File: "mdserver.conf"}, err }
	b.Userdata = func(context.Context, *instance.Instance) ([]byte, error) { return []byte("#cloud-config"), err }
	b.Identity = func() []byte { return []byte("a certificate") }
	b.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
	b.Hosts = func() []api.Host { return []api.Host{{ID: "1", Name: "kvm1", This: true}} }
	b.ForgetHost = func(context.Context, string, bool) (int, error) { return 7, err }
	b.DrainHost = func(context.Context, string, bool) (time.Time, error) { return time.Unix(1, 0).UTC(), err }
	b.RunsOn = func(string) ([]api.HostGuest, error) { return []api.HostGuest{{Name: "db1"}}, err }
	b.Import = func(context.Context, instance.Table, bool) (inventory.Adopted, error) {
		return inventory.Adopted{Unchanged: 3}, err
	}
	return b
}

// TestAnswersOfRoutes checks that each route answers what it was asked for, or the error
// alone if its work fails.
func TestAnswersOfRoutes(t *testing.T) {
	for _, tt := range []struct {
		method, path, body string
		kind, want         string
		failed             int // status; 0 if nothing can fail
	}{
		{"GET", "/v1/export?format=legacy", "", "application/json", "as legacy", 500},
		{"GET", "/v1/backup", "", "application/jsonl", "everything", 500},
		{"POST", "/v1/import", emptyDocument, "application/json", `"unchanged":3`, 500},
		{"POST", "/v1/reload", "", "application/json", `"file":"mdserver.conf"`, 422},
		{"GET", "/v1/user-data?ref=web1", "", "application/octet-stream", "#cloud-config", 422},
		{"GET", "/v1/identity", "", "text/plain", "a certificate", 0},
		{"GET", "/v1/metrics", "", "text/plain", "metrics", 0},
		{"GET", "/v1/status", "", "application/json", `"version":"1.2.3"`, 0},
		{"GET", "/v1/hosts", "", "application/json", `"name":"kvm1"`, 0},
		{"GET", "/v1/host", "", "application/json", `"guests":[{"name":"db1"`, 500},
		{"DELETE", "/v1/host?ref=1", "", "application/json", `"guests":7`, 500},
		{"POST", "/v1/host/drain", "", "application/json", `"drained":"1970-01-01T00:00:01Z"`, 500},
		{"POST", "/v1/host/drain", "", "application/json", `"guests":[{"name":"db1"`, 500},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			w := ask(newWorking(t, nil), tt.method, tt.path, tt.body)
			if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), tt.kind) || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			if tt.failed == 0 {
				return
			}
			w = ask(newWorking(t, errors.New("the disk is full")), tt.method, tt.path, tt.body)
			var refused api.Error
			if err := json.Unmarshal(w.Body.Bytes(), &refused); err != nil || w.Code != tt.failed || w.Header().Get("Content-Type") != "application/json" || refused.Error != "the disk is full" {
				t.Errorf("after a failure: %d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
}

// TestHostThatCannotBeDrained checks that the answer for a host that stays in service is
// an error, even if guests run there.
func TestHostThatCannotBeDrained(t *testing.T) {
	b := newWorking(t, nil)
	b.DrainHost = func(context.Context, string, bool) (time.Time, error) { return time.Time{}, ErrHost }
	if w := ask(b, "POST", "/v1/host/drain", ""); w.Code != 409 || !strings.Contains(w.Body.String(), ErrHost.Error()) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestSecretsOfGuests checks that answers about a guest leave out its password.
func TestSecretsOfGuests(t *testing.T) {
	for _, path := range []string{"GET /v1/instance", "POST /v1/reprovision", "DELETE /v1/instance"} {
		b := newWorking(t, nil)
		guest, _ := b.Inventory.Snapshot().ByName("web1")
		if err := b.Inventory.SetPassword(t.Context(), guest.UUID, "c2VjcmV0"); err != nil {
			t.Fatal(err)
		}
		method, path, _ := strings.Cut(path, " ")
		w := ask(b, method, path+"?ref=web1", "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), `"name":"web1"`) || strings.Contains(w.Body.String(), "c2VjcmV0") {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
}

// TestReleaseIsPublished checks that a release is published to DHCP and DNS, and that it
// succeeds even if publishing fails.
func TestReleaseIsPublished(t *testing.T) {
	var log strings.Builder
	b := newWorking(t, nil)
	b.Log = slog.New(slog.NewTextHandler(&log, nil))
	b.Publish = func(context.Context) error {
		if _, there := b.Inventory.Snapshot().ByName("web1"); there {
			t.Error("it is published before the guest is released")
		}
		return errors.New("dnsmasq is away")
	}
	if w := ask(b, "DELETE", "/v1/instance?ref=web1", ""); w.Code != 200 || !strings.Contains(log.String(), "dnsmasq is away") {
		t.Errorf("%d %s, the log is %s", w.Code, w.Body, &log)
	}
}

// TestBootsThatCannotAllBeRead checks that the answer has the boots that can be read, and
// that the log has the error of the others.
func TestBootsThatCannotAllBeRead(t *testing.T) {
	var log strings.Builder
	b := newWorking(t, nil)
	b.Log = slog.New(slog.NewTextHandler(&log, nil))
	b.Boots = func(*instance.Instance) ([]api.Boot, error) {
		return []api.Boot{{Number: 4}}, errors.New("a page is damaged")
	}
	if w := ask(b, "GET", "/v1/boots?ref=web1", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"number":4`) || !strings.Contains(log.String(), "a page is damaged") {
		t.Errorf("%d %s, the log is %s", w.Code, w.Body, &log)
	}
}

// TestImported checks that the result of an import lists guests by name.
func TestImported(t *testing.T) {
	guest := func(name string) instance.Instance { return instance.Instance{Name: name, UUID: uuid.UUID{1}} }
	got := imported(inventory.Adopted{
		Added: []instance.Instance{guest("new")}, Replaced: []instance.Instance{guest("old")}, Unchanged: 2, Resting: 3,
		Skipped: []draft.ImportSkip{{Instance: guest("known"), Err: denied.ErrUUIDTaken}, {Instance: guest("twin"), Err: errors.New("its name is taken")}},
	})
	id := uuid.UUID{1}.String()
	want := api.Imported{Added: []string{"new"}, Replaced: []string{"old"}, Unchanged: 2, Resting: 3, Skipped: []api.Skipped{
		{Name: "known", UUID: id, Reason: "the guest exists, and its record differs; use --replace to replace it"},
		{Name: "twin", UUID: id, Reason: "its name is taken"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
