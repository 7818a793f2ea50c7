package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/libvirt"
)

// ask sends a request to the control interface.
func ask(b Backend, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	b.Handler().ServeHTTP(w, r)
	return w
}

// Programs tell errors apart by their status and code, whatever the errors are wrapped in.
func TestKindsOfErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		code   api.ErrorCode
	}{
		{libvirt.ErrTooLarge, 413, api.CodeTooLarge},
		{badDomain{errors.New("no <uuid>")}, 400, api.CodeInvalid},
		{denied.ErrInvalid, 400, api.CodeInvalid},
		{denied.ErrNotFound, 404, api.CodeNotFound},
		{denied.ErrNoInterface, 422, api.CodeNoInterface},
		{denied.ErrAddressOutside, 422, api.CodeAddressOutside},
		{denied.ErrAmbiguous, 409, api.CodeAmbiguous},
		{denied.ErrNameTaken, 409, api.CodeNameTaken},
		{denied.ErrUUIDTaken, 409, api.CodeUUIDTaken},
		{denied.ErrMACInUse, 409, api.CodeMACInUse},
		{denied.ErrHostnameTaken, 409, api.CodeHostnameTaken},
		{denied.ErrAddressTaken, 409, api.CodeAddressTaken},
		{denied.ErrTooManyGuests, 507, api.CodeTooManyGuests},
		{inventory.ErrStore, 503, api.CodeDatabase},
		{inventory.ErrClosed, 503, api.CodeStopping},
		{ErrHost, 409, api.CodeHostInUse},
		{ErrBusy, 503, api.CodeBusy},
		{errors.New("anything else"), 500, api.CodeInternal},
	} {
		if got := kindOf(fmt.Errorf("web1: %w", tt.err)); got != (kind{tt.status, tt.code}) {
			t.Errorf("%v is %d %s, want %d %s", tt.err, got.status, got.code, tt.status, tt.code)
		}
	}
}

// The warning names everything that went wrong with a registration.
func TestWarning(t *testing.T) {
	for want, reg := range map[string]inventory.Registration{
		"": {},
		"it runs on the host kvm2, which keeps it":                       {RunsOn: "kvm2"},
		"no address is free":                                             {AddressProblem: errors.New("no address is free")},
		`"web" is taken; the guest is "web-2"`:                           {NameProblem: `"web" is taken`, Instance: instance.Instance{Hostname: "web-2"}},
		"<metadata>: <a> occurs twice; <metadata>: <b> is ignored":       {Instance: instance.Instance{Metadata: instance.Metadata{Warnings: []string{"<a> occurs twice", "<b> is ignored"}}}},
		"it runs on the host kvm2, which keeps it; <metadata>: an error": {RunsOn: "kvm2", Instance: instance.Instance{Metadata: instance.Metadata{Warnings: []string{"an error"}}}},
	} {
		if got := warning(reg, nil); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		published := strings.TrimPrefix(want+"; dnsmasq is away", "; ")
		if got := warning(reg, errors.New("dnsmasq is away")); got != published {
			t.Errorf("%q, want %q", got, published)
		}
	}
}

// A guest comes from another host only if libvirt's hook says so.
func TestReceived(t *testing.T) {
	for _, tt := range []struct {
		name, query, agent string
		want               bool
	}{
		{"the hook before a migration", "?operation=migrate", api.HookAgent, true},
		{"the hook at a start", "?operation=prepare", api.HookAgent, false},
		{"the hook of an earlier version", "", api.HookAgent, false},
		{"anybody else", "?operation=migrate", "curl/8.0", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBackend(t)
			received := !tt.want
			b.Complete = func(_ context.Context, d instance.Domain) instance.Domain { received = d.Received; return d }
			ask(b, "POST", "/instance-upload"+tt.query, domain("web1", "701", "01", "mds"), "User-Agent: "+tt.agent)
			if received != tt.want {
				t.Errorf("received %v, want %v", received, tt.want)
			}
		})
	}
}

// A guest whose networks are not known is not gone from ours.
func TestIncompleteIsNotUnplugged(t *testing.T) {
	b := newBackend(t)
	ask(b, "POST", "/instance-upload", domain("web1", "701", "01", "mds"), "User-Agent: "+api.HookAgent)
	b.Complete = func(_ context.Context, d instance.Domain) instance.Domain { d.Incomplete = true; return d }
	ask(b, "POST", "/instance-upload", domain("web1", "701", "01", "default"), "User-Agent: "+api.HookAgent)
	if guest, ok := b.Inventory.Snapshot().ByName("web1"); !ok || guest.Presence.State == instance.Gone {
		t.Errorf("%+v", guest)
	}
}

func TestProgressQuery(t *testing.T) {
	for query, want := range map[string]api.ProgressQuery{
		"":                                 {},
		"?ref=web1&ref=db1":                {Refs: []string{"web1", "db1"}},
		"?since=18446744073709551615":      {Since: 1<<64 - 1},
		"?wait=0.5&ssh=true":               {Wait: time.Second / 2, SSH: true},
		"?wait=60":                         {Wait: longestWait},
		"?wait=61":                         {Wait: longestWait},
		"?wait=Inf":                        {Wait: longestWait},
		"?wait=NaN":                        {},
		"?wait=-1":                         {},
		"?since=1&wait=&ssh=false&ref=%20": {Since: 1, Refs: []string{" "}},
	} {
		b := newBackend(t)
		var got api.ProgressQuery
		b.Progress = func(_ context.Context, q api.ProgressQuery) api.Progress { got = q; return api.Progress{} }
		if w := ask(b, "GET", "/v1/progress"+query, ""); w.Code != 200 {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for _, query := range []string{"?since=-1", "?since=x", "?wait=soon", "?ssh=perhaps"} {
		b := newBackend(t)
		b.Progress = func(context.Context, api.ProgressQuery) api.Progress { t.Error("asked"); return api.Progress{} }
		if w := ask(b, "GET", "/v1/progress"+query, ""); w.Code != 400 {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// What a guest was given in one of its boots, by its number or counted back from the last.
func TestUserdataOfABoot(t *testing.T) {
	b := newBackend(t)
	upload(b, domain("web1", "701", "01", "mds"))
	b.Boots = func(*instance.Instance) ([]api.Boot, error) {
		return []api.Boot{{Number: 3, Userdata: "third"}, {Number: 4}, {Number: 5, Userdata: "gone"}, {Number: 6, Userdata: "sixth"}}, nil
	}
	b.Content = func(hash string) ([]byte, error) {
		if hash == "gone" {
			return nil, nil
		}
		return []byte(hash), nil
	}
	for boot, want := range map[string]string{
		"3": "200 third", "6": "200 sixth", "0": "200 sixth", "-3": "200 third",
		"4": "404 got no user-data in boot 4", "-2": "404 got no user-data in boot 4",
		"5": "404 the user-data of boot 5 is no longer kept, or was too large", "-1": "404 the user-data of boot 5 is no longer kept",
		"-4": "404 has no boot -4 on record", "1": "404 has no boot 1 on record", "7": "404 has no boot 7 on record", "last": "404 accepted: the number of a boot",
	} {
		w := ask(b, "GET", "/v1/user-data?ref=web1&boot="+boot, "")
		status, text, _ := strings.Cut(want, " ")
		if fmt.Sprint(w.Code) != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("boot %s: %d %s, want %s", boot, w.Code, w.Body, want)
		}
	}
	b.Boots = func(*instance.Instance) ([]api.Boot, error) { return nil, errors.New("boots.db is damaged") }
	if w := ask(b, "GET", "/v1/user-data?ref=web1&boot=0", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "boots.db is damaged") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(b, "GET", "/v1/boots?ref=web1", ""); w.Code != 200 || w.Body.String() != "[]\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A request acts on the host that it names, or on this one if it names none.
func TestHosts(t *testing.T) {
	b := newBackend(t)
	var did string
	b.Hosts = func() []api.Host {
		return []api.Host{{ID: "1", Name: "kvm1"}, {ID: "2", Name: "kvm2", This: true}, {ID: "3", Name: "twin"}, {ID: "4", Name: "twin"}, {Name: "old"}}
	}
	b.ForgetHost = func(_ context.Context, id string, force bool) (int, error) {
		did = fmt.Sprintf("forget %s %v", id, force)
		return 7, nil
	}
	b.DrainHost = func(_ context.Context, id string, drained bool) (time.Time, error) {
		did = fmt.Sprintf("drain %s %v", id, drained)
		return time.Unix(1, 0), nil
	}
	b.RunsOn = func(id string) ([]api.HostGuest, error) {
		did = strings.TrimSpace(did + ", runs on " + id)
		return []api.HostGuest{}, nil
	}
	for _, tt := range []struct{ name, method, path, want string }{
		{"this one", "GET", "/v1/host", ", runs on 2"},
		{"one by its name", "GET", "/v1/host?ref=kvm1", ", runs on 1"},
		{"one by its ID", "GET", "/v1/host?ref=4", ", runs on 4"},
		{"one of two by its name", "GET", "/v1/host?ref=twin", "409 2 hosts have the name"},
		{"one that is not there", "GET", "/v1/host?ref=kvm9", "404 there are: kvm1, kvm2, twin, twin, old"},
		{"drain this one", "POST", "/v1/host/drain", "drain 2 true, runs on 2"},
		{"drain another", "POST", "/v1/host/drain?ref=kvm1", "drain 1 true, runs on 1"},
		{"put it back", "POST", "/v1/host/drain?ref=kvm1&undo=true", "drain 1 false, runs on 1"},
		{"drain nobody", "POST", "/v1/host/drain?ref=kvm9", "404 kvm9"},
		{"forget", "DELETE", "/v1/host?ref=kvm1", "forget 1 false"},
		{"forget by force", "DELETE", "/v1/host?ref=kvm1&force=true", "forget 1 true"},
		{"forget without a name", "DELETE", "/v1/host", "404 no such host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			did = ""
			w := ask(b, tt.method, tt.path, "")
			if status, text, refused := strings.Cut(tt.want, " "); refused && slices.Contains([]string{"404", "409"}, status) {
				if fmt.Sprint(w.Code) != status || !strings.Contains(w.Body.String(), text) || did != "" {
					t.Errorf("%d %s, did %q", w.Code, w.Body, did)
				}
				return
			}
			if w.Code != http.StatusOK || did != tt.want {
				t.Errorf("%d %s, did %q, want %q", w.Code, w.Body, did, tt.want)
			}
		})
	}
}

// An import replaces records of known guests only on request.
func TestImportReplaces(t *testing.T) {
	const document = `{"format": "mdserver-inventory", "version": 1, "instances": [], "resting": []}`
	for query, want := range map[string]bool{"": false, "?replace=false": false, "?replace=true": true} {
		b := newBackend(t)
		called := false
		b.Import = func(_ context.Context, _ instance.Table, replace bool) (inventory.Adopted, error) {
			if called = true; replace != want {
				t.Errorf("%q replaces: %v", query, replace)
			}
			return inventory.Adopted{}, nil
		}
		b.Publish = func(context.Context) error { return errors.New("dnsmasq is away") }
		w := ask(b, "POST", "/v1/import"+query, document)
		if w.Code != 200 || !called || !strings.Contains(w.Body.String(), "dnsmasq is away") {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
	}
}

// Without host_ca, the server makes only the keys that a request asks for.
func TestRotateWithoutHostCA(t *testing.T) {
	b := newBackend(t)
	b.SSH = sshOf{inv: b.Inventory, broken: errors.New("another key was made")}
	if w := ask(b, "POST", "/v1/ssh/ca", ""); w.Code != http.StatusConflict || strings.Contains(w.Body.String(), "another key") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A reference may have any character.
func TestReferences(t *testing.T) {
	b := newBackend(t)
	upload(b, domain("a b&amp;c", "701", "01", "mds"))
	if w := ask(b, "GET", "/v1/instance?ref="+url.QueryEscape("a b&c"), ""); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
