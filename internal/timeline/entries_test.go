package timeline

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
)

func TestKindOf(t *testing.T) {
	for path, want := range map[string]string{
		"/latest/api/token":                                  "token",
		"/openstack/latest/meta_data.json":                   "openstack metadata",
		"/openstack/latest/network_data.json":                "openstack network",
		"/openstack/latest/vendor_data2.json":                "vendor-data",
		"/nocloud/vendor-data":                               "vendor-data",
		"/latest/user-data":                                  "user-data",
		"/nocloud/user-data":                                 "user-data",
		"/openstack/latest/user_data":                        "openstack user-data",
		"/nocloud/meta-data":                                 "nocloud metadata",
		"/nocloud/network-config":                            "nocloud network",
		"/latest/dynamic/instance-identity/document":         "identity",
		"/latest/meta-data/instance-id":                      "ec2 metadata",
		"/openstack/latest/password":                         "password",
		"/favicon.ico":                                       "other",
		"":                                                   "other",
		"/" + strings.Repeat("x", longest-10) + "/user-data": "other", // it is cut off
		"/" + strings.Repeat("x", longest-11) + "/user-data": "user-data",
	} {
		if got := kinds[kindOf(path)].name; got != want {
			t.Errorf("%q is %s, want %s", path, got, want)
		}
	}
	if all := append(Metadata(), Userdata()...); slices.ContainsFunc(all, func(name string) bool {
		return !slices.ContainsFunc(kinds[:], func(k struct{ name, part string }) bool { return k.name == name })
	}) {
		t.Errorf("%q names a kind that does not exist", all)
	}
}

// After a restart, memory has the entries that a verdict or a phase depends on: all that
// libvirt and the server tell, cloud-init's stages, and of its modules those that have not
// succeeded.
func TestEssentials(t *testing.T) {
	stage := func(name, result string) api.BootEntry {
		return api.BootEntry{Kind: api.EntryStage, Name: name, Result: result}
	}
	kind := func(kind api.EntryKind) api.BootEntry { return api.BootEntry{Kind: kind} }
	for name, tt := range map[string]struct{ all, want []api.BootEntry }{
		"nothing":                  {nil, nil},
		"a start and a stop":       {[]api.BootEntry{kind(api.EntryStarted), kind(api.EntryStopped)}, []api.BootEntry{kind(api.EntryStarted), kind(api.EntryStopped)}},
		"a crash":                  {[]api.BootEntry{kind(api.EntryCrashed)}, []api.BootEntry{kind(api.EntryCrashed)}},
		"a failed render":          {[]api.BootEntry{kind(api.EntryRender)}, []api.BootEntry{kind(api.EntryRender)}},
		"cloud-init's result":      {[]api.BootEntry{kind(api.EntryStatus)}, []api.BootEntry{kind(api.EntryStatus)}},
		"requests and DHCP":        {[]api.BootEntry{kind(api.EntryRequest), kind(api.EntryDHCP)}, nil},
		"keys and phone home":      {[]api.BootEntry{kind(api.EntryHostKeys), kind(api.EntryPhoneHome)}, nil},
		"stages":                   {[]api.BootEntry{stage("init-local", api.ResultSuccess), stage(finalStage, "")}, []api.BootEntry{stage("init-local", api.ResultSuccess), stage(finalStage, "")}},
		"the first module":         {[]api.BootEntry{stage("a/b", api.ResultSuccess), stage("a/c", api.ResultSuccess)}, []api.BootEntry{stage("a/b", api.ResultSuccess)}},
		"a module that failed":     {[]api.BootEntry{stage("a", ""), stage("a/b", api.ResultSuccess), stage("a/c", api.ResultFail)}, []api.BootEntry{stage("a", ""), stage("a/c", api.ResultFail)}},
		"a module that warned":     {[]api.BootEntry{stage("a", ""), stage("a/c", api.ResultWarn)}, []api.BootEntry{stage("a", ""), stage("a/c", api.ResultWarn)}},
		"a module that still runs": {[]api.BootEntry{stage("a", ""), stage("a/c", "")}, []api.BootEntry{stage("a", ""), stage("a/c", "")}},
	} {
		if got := essentials(tt.all); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

// Entries say in one short line what happened.
func TestDetails(t *testing.T) {
	l := newLog()
	l.now = func() time.Time { return after(7) }
	start(0, api.FromLibvirt)(l)
	dhcp(1, "DHCPACK")(l)
	asks(2, "/latest/user-data", 200)(l)
	l.RenderFailed(web1, "user-data", "line 3: "+strings.Repeat("x", 2*longestDetail), &api.TemplateLine{Name: "web.yaml", Line: 3})
	l.Request(web1, Request{At: after(8), Method: strings.Repeat("M", 99), Path: "/" + strings.Repeat("p", 999), Status: 404})
	b, ok := l.Present(web1)
	if !ok || len(b.Entries) != 5 {
		t.Fatalf("%+v", b)
	}
	lease, request, render, long := b.Entries[1], b.Entries[2], b.Entries[3], b.Entries[4]
	if lease.Detail != "on network mds" || lease.Source != api.FromDnsmasq {
		t.Errorf("the lease: %+v", lease)
	}
	if request.Detail != "GET /latest/user-data" || request.Status != 200 || request.Source != api.FromMetadata {
		t.Errorf("the request: %+v", request)
	}
	if render.Kind != api.EntryRender || render.Source != api.FromServer || render.Name != "user-data" || render.Result != api.ResultFail ||
		!render.At.Equal(after(7)) || render.Template == nil || render.Template.Line != 3 {
		t.Errorf("the render: %+v", render)
	}
	if len(render.Detail) != longestDetail || !strings.HasPrefix(render.Detail, "line 3: xxx") {
		t.Errorf("the failure is %q", render.Detail)
	}
	if len(long.Detail) != longestVerb+1+longest || !strings.HasPrefix(long.Detail, "MMM") || !strings.Contains(long.Detail, " /ppp") {
		t.Errorf("a long request is %q", long.Detail)
	}
	if heard := l.DHCP.Of(DHCPClient{Network: "mds"}); heard == nil || heard.Message != "DHCPACK" {
		t.Errorf("the DHCP log has %+v", heard)
	}
}

// A guest chooses paths, and a template texts of errors. Neither gets a line break or a
// control character into the record.
func TestDetailsAreOneLine(t *testing.T) {
	l := newLog()
	l.Request(web1, Request{At: after(1), Method: "GET", Path: "/x\ny\x1b[2J\u202e", Status: 404})
	l.RenderFailed(web1, "user-data", "one\ntwo\x7f", nil)
	b, _ := l.Present(web1)
	var details []string
	for _, e := range b.Entries {
		details = append(details, e.Detail)
	}
	if want := []string{`GET /x\ny\x1b[2J\u202e`, `one\ntwo\x7f`}; !slices.Equal(details, want) {
		t.Errorf("got %q, want %q", details, want)
	}
}

// What is forgotten is in no list, and others stay.
func TestForgetOne(t *testing.T) {
	l := newLog()
	other := uuid.UUID{15: 7}
	for _, id := range []uuid.UUID{web1, other} {
		l.Start(id, after(0), api.FromLibvirt)
		l.Request(id, Request{At: after(1), Path: "/latest/user-data", Status: 200})
	}
	if got := l.Guests(); len(got) != 2 || !slices.Contains(got, web1) || !slices.Contains(got, other) {
		t.Errorf("guests %v", got)
	}
	wait := l.news.wait()
	l.Forget(web1)
	select {
	case <-wait:
	default:
		t.Error("a call that waits is not woken")
	}
	if got := l.Guests(); len(got) != 1 || got[0] != other {
		t.Errorf("guests %v", got)
	}
	if _, ok := l.Present(web1); ok || len(l.Requests.Of(web1).Recent) != 0 {
		t.Error("there is still something of the guest")
	}
	if b, ok := l.Present(other); !ok || len(b.Entries) != 2 || len(l.Requests.Of(other).Recent) != 1 {
		t.Errorf("%+v", b)
	}
}

// A stop that is from before the start is of an earlier boot.
func TestLateStop(t *testing.T) {
	l := newLog()
	start(10, api.FromLibvirt)(l)
	stop(9)(l)
	if b, _ := l.Present(web1); b.Ended != nil || len(b.Entries) != 1 {
		t.Errorf("%+v", b)
	}
	stop(10)(l)
	if b, _ := l.Present(web1); b.Ended == nil || !b.Ended.Equal(after(10)) {
		t.Errorf("%+v", b)
	}
}
