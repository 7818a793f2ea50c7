package exporter

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
)

var web1 = api.Guest{
	State: api.Running,
	Instance: instance.Instance{
		ID: "i-0123456789abcdef0", Name: "web 1", Hostname: "web-1", UUID: uuid.MustParse("4dea22b3-1d52-d8f3-2516-782e98ab3fa0"),
		Location: "rack7", Network: "mds", MAC: instance.MAC{0x52, 0x54, 0, 1, 2, 3},
		IPv4: netip.MustParseAddr("10.122.0.9"), IPv6: netip.MustParseAddr("fd00::9"),
		Metadata: instance.Metadata{Tags: map[string]string{"role": "web", "app.kubernetes.io/name": "shop", "bare": "", "a-b": "1", "a_b": "2"}},
		Password: "geheim",
	},
}

func TestTargets(t *testing.T) {
	only6 := api.Guest{Instance: instance.Instance{Name: "six", Hostname: "six", IPv6: netip.MustParseAddr("fd00::6")}}
	none := api.Guest{Instance: instance.Instance{Name: "without an address"}}
	want := []Target{
		{[]string{"10.122.0.9:9100"}, map[string]string{
			"__meta_mdserver_name": "web 1", "__meta_mdserver_hostname": "web-1",
			"__meta_mdserver_uuid":        "4dea22b3-1d52-d8f3-2516-782e98ab3fa0",
			"__meta_mdserver_instance_id": "i-0123456789abcdef0", "__meta_mdserver_location": "rack7",
			"__meta_mdserver_network": "mds", "__meta_mdserver_mac": "52:54:00:01:02:03", "__meta_mdserver_state": "running",
			"__meta_mdserver_ipv4": "10.122.0.9", "__meta_mdserver_ipv6": "fd00::9",
			"__meta_mdserver_tag_role": "web", "__meta_mdserver_tagpresent_role": "true",
			"__meta_mdserver_tag_app_kubernetes_io_name": "shop", "__meta_mdserver_tagpresent_app_kubernetes_io_name": "true",
			"__meta_mdserver_tagpresent_bare": "true",
			"__meta_mdserver_tag_a_b":         "2", "__meta_mdserver_tagpresent_a_b": "true",
		}},
		{[]string{"[fd00::6]:9100"}, map[string]string{
			"__meta_mdserver_name": "six", "__meta_mdserver_hostname": "six", "__meta_mdserver_ipv6": "fd00::6",
			"__meta_mdserver_uuid": uuid.Nil.String(), "__meta_mdserver_mac": "00:00:00:00:00:00", "__meta_mdserver_state": "unknown",
		}},
	}
	for range 20 { // the order of tags varies
		if diff := cmp.Diff(want, Targets([]api.Guest{none, web1, none, only6}, 9100)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func sources(guests ...api.Guest) Sources {
	return Sources{
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { httpcommon.Text(w, "mdserver_guests 1\n") }),
		Ready:   func() error { return nil },
		Guests:  func() []api.Guest { return guests },
	}
}

func ask(s Sources, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	Handler(s).ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestHandler(t *testing.T) {
	stopping := sources()
	stopping.Ready = func() error { return errors.New("the server is stopping") }
	tests := []struct {
		name         string
		sources      Sources
		method, path string
		status       int
		body         string
	}{
		{"metrics", sources(), "GET", "/metrics", 200, "mdserver_guests 1"},
		{"alive", stopping, "GET", "/healthz", 200, "ok"},
		{"ready", sources(), "GET", "/readyz", 200, "ok"},
		{"not ready", stopping, "GET", "/readyz", 503, "the server is stopping"},
		{"no guests", sources(), "GET", "/sd", 200, "[]"},
		{"a guest", sources(web1), "GET", "/sd", 200, `"targets":["10.122.0.9:9100"]`},
		{"a port", sources(web1), "GET", "/sd?port=9200", 200, `"targets":["10.122.0.9:9200"]`},
		{"no port", sources(web1), "GET", "/sd?port=http", 400, "accepted: a whole number from 1 to 65535"},
		{"port 0", sources(web1), "GET", "/sd?port=0", 400, "accepted"},
		{"port too large", sources(web1), "GET", "/sd?port=65536", 400, "accepted"},
		{"a write", sources(web1), "POST", "/sd", 405, "not allowed"},
		{"a head", sources(web1), "HEAD", "/sd", 200, ""},
		{"a head while the server is not ready", stopping, "HEAD", "/readyz", 503, ""},
		{"metadata", sources(web1), "GET", "/latest/meta-data/", 404, "not found"},
		{"nothing", sources(web1), "GET", "/", 404, "not found"},
	}
	for _, tt := range tests {
		w := ask(tt.sources, tt.method, tt.path)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, w.Code, w.Body, tt.status, tt.body)
		}
	}
}

func TestDiscoveryIsJSONWithoutSecrets(t *testing.T) {
	odd := web1
	odd.Name = "\xff\"\n\u2028"
	odd.Metadata.Tags = map[string]string{"\xff\n": "\xff\n"}
	w := ask(sources(odd), http.MethodGet, "/sd")
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("the content type is %q", got)
	}
	var list []Target
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list) != 1 {
		t.Errorf("%v: %s", err, w.Body)
	}
	if strings.Contains(w.Body.String(), "geheim") {
		t.Error("a guest's password is in the list")
	}
}
