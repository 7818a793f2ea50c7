package admin

import (
	"context"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storage"
)

// newReferences returns a backend with two guests, one named like the other's address,
// and with domains that are no guests.
func newReferences(t *testing.T) Backend {
	t.Helper()
	b := newBackend(t)
	b.Inventory.Reconfigure(inventory.Options{
		Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/28")}},
		Withheld: []storage.Withheld{{UUID: uuid.UUID{9}, Name: "lost", File: "/var/lib/aside.json"}},
	})
	b.Explain = func(_ context.Context, guest *instance.Instance) api.Explanation {
		return api.Explanation{Name: guest.Name, Served: true}
	}
	upload(b, domain("web1", "701", "01", "mds"))
	web1, _ := b.Inventory.Snapshot().ByName("web1")
	upload(b, domain(web1.IPv4.String(), "702", "02", "mds"))
	upload(b, domain("elsewhere", "703", "03", "default"))
	upload(b, domain("un/readable", "704", "04", "mds"))
	return b
}

// TestWhatAReferenceMeans checks that all routes read a reference alike: an error says
// why a domain is no guest, or which guest the reference may mean.
func TestWhatAReferenceMeans(t *testing.T) {
	b := newReferences(t)
	web1, _ := b.Inventory.Snapshot().ByName("web1")
	for _, tt := range []struct {
		name, ref string
		status    int
		want      string
	}{
		{"a guest", "web1", 200, `"name":"web1"`},
		{"one of two guests", web1.IPv4.String(), 409, `); use the instance-id"`},
		{"a domain on another network", "elsewhere", 404, `the domain \"elsewhere\" is unserved: `},
		{"a definition that cannot be read", "un/readable", 404, `the domain \"un/readable\" is refused: `},
		{"a record that was set aside", "lost", 404, "whose record was set aside in /var/lib/aside.json; see `mdserver explain lost`"},
		{"nearly a guest's name", "web2", 404, `did you mean \"web1\"?`},
		{"an unknown name", "something-else", 404, "`mdserver instance ls` lists them\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"/v1/instance", "/v1/user-data", "/v1/boots", "/v1/password", "/v1/ssh"} {
				if tt.status == 200 && path != "/v1/instance" {
					continue // these have answers of their own
				}
				w := ask(b, "GET", path+"?ref="+url.QueryEscape(tt.ref), "")
				if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
					t.Errorf("%s: %d %s, want %d and %s", path, w.Code, w.Body, tt.status, tt.want)
				}
			}
		})
	}
}

// TestExplainWhatIsNoGuest checks that the server also explains a domain that is no
// guest.
func TestExplainWhatIsNoGuest(t *testing.T) {
	b := newReferences(t)
	web1, _ := b.Inventory.Snapshot().ByName("web1")
	for _, tt := range []struct {
		name, ref string
		status    int
		want      string
	}{
		{"a guest", "web1", 200, `"name":"web1","served":true`},
		{"one of two guests", web1.IPv4.String(), 409, `"code":"ambiguous"`},
		{"a domain on another network", "elsewhere", 200, `"name":"elsewhere","served":false,"refusal":{`},
		{"a definition that cannot be read", "un/readable", 200, `"name":"un/readable","served":false,"refusal":{`},
		{"a record that was set aside", "lost", 200, `"name":"lost","served":false,"facts"`},
		{"an unknown name", "something-else", 404, `"code":"not_found"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(b, "GET", "/v1/explain?ref="+url.QueryEscape(tt.ref), "")
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %s, want %d and %s", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
}

// TestRefusalsAreListed checks that the list of domains that are no guests says who
// reported each.
func TestRefusalsAreListed(t *testing.T) {
	w := ask(newReferences(t), "GET", "/v1/refusals", "")
	for _, want := range []string{`"name":"elsewhere"`, `"name":"un/readable"`, `"state":"refused"`, `"source":"upload"`} {
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d %s, want %s", w.Code, w.Body, want)
		}
	}
}
