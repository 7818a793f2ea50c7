//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// onTheBridge moves the original's installation from the loopback network it
// was recorded on to the lab's.
var onTheBridge = strings.NewReplacer("127.9.", "10.122.", "interface=lo", "interface=br-mds", "interface = lo", "interface = br-mds")

const upgradedURL = "http://" + lab.Gateway + ":8090"

// An installation of the original is taken over as it stands: database in
// either of its formats, configuration, and a dnsmasq that still runs.
func TestUpgradeFromTheOriginal(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"list", "metadata and entries"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			dir := originalSite(t, l, "", onTheBridge)
			dbFile := filepath.Join(dir, "db_file.json")
			if format != "list" {
				toNewFormat(t, dbFile)
			}
			dbBefore, err := os.ReadFile(dbFile)
			if err != nil {
				t.Fatal(err)
			}

			// The original's dnsmasq serves its guests.
			theirs, err := l.Host.Start("original-dnsmasq", nil,
				"dnsmasq", "--conf-file="+filepath.Join(dir, "dnsmasq", "mds.conf"), "--keep-in-foreground")
			if err != nil {
				t.Fatal(err)
			}
			guest, lease := boot(t, l, shown{Name: "byname", MAC: "52:54:00:09:00:01"})
			equal(t, "the address from the original's dnsmasq", lease.IP.String(), "10.122.1.1")

			// mdserver leaves it alone, and says how to switch.
			s := l.ServerFor(suite.binary, filepath.Join(dir, "mdserver.conf"), upgradedURL)
			start(t, s)
			checkDnsmasqMode(t, s, "external")
			if pids, err := l.Pids(suite.ctx, "dnsmasq"); err != nil || !slices.Equal(pids, []int{theirs.Pid()}) {
				t.Errorf("dnsmasq runs as %v, want only the original's, %d (%v)", pids, theirs.Pid(), err)
			}
			warned := false
			for line := range strings.Lines(l.Logs()) {
				warned = warned || strings.Contains(line, "WARN") && strings.Contains(line, "external")
			}
			if !warned {
				t.Error("no warning says that the dnsmasq is taken for an external one")
			}
			checkImported(t, s)
			checkExport(t, s, dbFile)

			// When the old dnsmasq is gone, the next start makes our own.
			if err := s.Stop(stopTime); err != nil {
				t.Error(err)
			}
			if !theirs.Alive() {
				t.Error("mdserver took the original's dnsmasq with it")
			}
			if err := theirs.Stop(stopTime); err != nil {
				t.Error(err)
			}
			start(t, s)
			checkDnsmasqMode(t, s, "child")
			checkImported(t, s)
			renewed, err := guest.Renew(suite.ctx)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "the renewed address", renewed.IP.String(), "10.122.1.1")
			id, err := guest.Output(suite.ctx, "curl", "-sSf", upgradedURL+"/latest/meta-data/instance-id")
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "the guest's instance-id", id, "i-10.122.1.1")

			dbAfter, err := os.ReadFile(dbFile)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "the Python mdserver's database", string(dbAfter), string(dbBefore))
		})
	}
}

// toNewFormat rewrites a database in the original's later format.
func toNewFormat(t *testing.T, file string) {
	t.Helper()
	doc := map[string]any{
		"metadata": map[string]any{"initialised": 1594545538.5, "updated": nil, "locations": map[string]any{
			"rack4-host1": map[string]any{"hostname": "rack4", "version": "0.6.5", "first_seen": 1594545538.5, "last_seen": 1594545616.0},
		}},
		"entries": readJSON[[]any](t, file),
	}
	writeJSON(t, file, doc)
}

func checkDnsmasqMode(t *testing.T, s *lab.Server, want string) {
	t.Helper()
	if want == "child" {
		if _, err := s.DnsmasqChild(suite.ctx); err != nil {
			t.Error(err)
		}
	}
	var status struct{ Dnsmasq struct{ Mode string } }
	if err := json.Unmarshal([]byte(command(t, s, "status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	equal(t, "the way dnsmasq is run", status.Dnsmasq.Mode, want)
}

// checkImported wants the six guests of the original's database, with their
// addresses and the instance-ids made from those.
func checkImported(t *testing.T, s *lab.Server) {
	t.Helper()
	guests := list(t, s)
	for i, name := range []string{"byname", "nosuffix", "fallback", "bymac", "byprefix", "badprefix"} {
		ip := netip.AddrFrom4([4]byte{10, 122, 1, byte(i + 1)})
		equal(t, name+"'s address", guests[name].IPv4.String(), ip.String())
		equal(t, name+"'s instance-id", guests[name].InstanceID, "i-"+ip.String())
	}
	if len(guests) != 6 {
		t.Errorf("%d guests, want 6", len(guests))
	}
}

// checkExport checks the export against what the original's reader demands: a
// dict of metadata and entries, every entry with exactly these keys, and in
// them what the database held.
func checkExport(t *testing.T, s *lab.Server, dbFile string) {
	t.Helper()
	keys := []string{"domain_metadata", "domain_name", "domain_uuid", "first_seen", "last_update",
		"location", "mds_ipv4", "mds_ipv6", "mds_mac"}
	type database struct {
		Metadata map[string]any
		Entries  []map[string]any
	}
	file := filepath.Join(filepath.Dir(dbFile), "exported.json")
	if err := os.WriteFile(file, []byte(command(t, s, "export", "--format", "legacy-object")), 0o644); err != nil {
		t.Fatal(err)
	}
	exported := readJSON[database](t, file)
	if _, ok := exported.Metadata["locations"].(map[string]any); !ok {
		t.Errorf("the metadata has no locations: %v", exported.Metadata)
	}
	byName := map[string]map[string]any{}
	for _, e := range exported.Entries {
		if got := slices.Sorted(maps.Keys(e)); !slices.Equal(got, keys) {
			t.Errorf("an entry has the keys %v, want %v", got, keys)
		}
		if _, ok := e["domain_metadata"].(map[string]any); !ok {
			t.Errorf("domain_metadata is %T, want a dict", e["domain_metadata"])
		}
		byName[e["domain_name"].(string)] = e
	}
	for name, want := range map[string]map[string]any{
		"byname": {"domain_uuid": "7e5a544d-d555-4133-a443-8229415be701", "mds_mac": "52:54:00:09:00:01",
			"mds_ipv4": "10.122.1.1", "mds_ipv6": nil, "first_seen": 1594545538.672943, "last_update": 1594545616.2650845},
		"fallback": {"mds_ipv4": "10.122.1.3", "mds_ipv6": "2001:db8::3"},
	} {
		for key, value := range want {
			if got := byName[name][key]; !near(got, value) {
				t.Errorf("%s's %s is exported as %v, want %v", name, key, got, value)
			}
		}
	}
	if prefix := byName["byprefix"]["domain_metadata"].(map[string]any)["userdata_prefix"]; prefix != "special" {
		t.Errorf("byprefix's userdata_prefix is exported as %v", prefix)
	}
}

// near compares JSON values, times to the microsecond.
func near(a, b any) bool {
	x, ok1 := a.(float64)
	y, ok2 := b.(float64)
	if ok1 && ok2 {
		return x-y < 1e-6 && y-x < 1e-6
	}
	return a == b
}

func readJSON[T any](t *testing.T, file string) T {
	t.Helper()
	var doc T
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return doc
}

func writeJSON(t *testing.T, file string, doc any) {
	t.Helper()
	text, err := json.MarshalIndent(doc, "", "    ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
