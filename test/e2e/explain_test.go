//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/api"
	"mdserver/test/lab"
)

// explained is what `mdserver explain NAME --json` tells.
func explained(t *testing.T, s *lab.Server, name string) api.Explanation {
	t.Helper()
	var doc api.Explanation
	if err := json.Unmarshal([]byte(command(t, s, "explain", name, "--json")), &doc); err != nil {
		t.Fatalf("explain %s --json: %v", name, err)
	}
	return doc
}

// A guest is explained from its first registration to its last request.
func TestExplain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	runHook(t, l, "web1")
	missing := strings.Join(explained(t, s, "web1").Missing, "\n")
	contains(t, "what is missing before the boot", missing, "no requests since the server started", "no DHCP messages since")
	if strings.Contains(missing, "hook") {
		t.Errorf("the hook told of it, but: %s", missing)
	}

	guest, lease := boot(t, l, show(t, s, "web1"))
	for _, path := range []string{"/latest/meta-data/", "/latest/user-data"} {
		get(t, guest, path)
	}
	if _, err := guest.Output(suite.ctx, "curl", "-s", "http://"+lab.MetadataAddr+"/latest/meta-data/spot"); err != nil {
		t.Fatal(err)
	}
	doc := explained(t, s, lease.IP.String())
	equal(t, "what is missing", strings.Join(doc.Missing, "\n"), "GET /latest/meta-data/spot was answered with 404 Not Found")
	equal(t, "the requests", fmt.Sprint(paths(doc)), "[/latest/meta-data/ 200 /latest/user-data 200 /latest/meta-data/spot 404]")
	equal(t, "the last of DHCP", doc.DHCP.Message, "DHCPACK")
	equal(t, "the address", doc.Addresses[0].Address.String(), lease.IP.String())
	contains(t, "the address's reason", doc.Addresses[0].Why, "hash of the UUID")
	contains(t, "the configuration key's place", source(doc, "location"), s.ConfigFile+":")
	contains(t, "who told of it", source(doc, "last told"), "hook")
	equal(t, "the client", doc.Requests.Recent[0].Client.String(), lease.IP.String())
}

func paths(doc api.Explanation) []string {
	var list []string
	for _, r := range doc.Requests.Recent {
		list = append(list, fmt.Sprint(r.Path, " ", r.Status))
	}
	return list
}

func source(doc api.Explanation, fact string) string {
	i := slices.IndexFunc(doc.Facts, func(f api.Fact) bool { return f.Name == fact })
	if i < 0 {
		return ""
	}
	return doc.Facts[i].Source
}

// What keeps a guest from coming up is named: no address left, a template that
// fails, no key, a hook that did not tell.
func TestExplainFaults(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.Config().Set("dnsmasq", "net_prefix", "30") // for one guest beside the gateway
	delete(c, "public-keys")
	s := startServer(t, l, c)
	if _, err := l.WriteFile("userdata/web1.yaml", "#cloud-config\nbootcmd: [{{ nobody }}]\n"); err != nil {
		t.Fatal(err)
	}
	register(t, s, "web2")
	register(t, s, "web1")
	contains(t, "what web1 lacks", strings.Join(explained(t, s, "web1").Missing, "\n"),
		"it has no address", "web1.yaml", "nobody", "no SSH key", "hook has not reported it", "no requests since")
	if missing := strings.Join(explained(t, s, "web2").Missing, "\n"); strings.Contains(missing, "address:") || strings.Contains(missing, "fails") {
		t.Errorf("web2 lacks %s", missing)
	}
}
