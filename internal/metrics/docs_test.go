package metrics

import (
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// names are the metrics of a server with everything.
func names(t *testing.T) map[string]bool {
	t.Helper()
	m := New(sources())
	request(m, "/", "curl/8", 200)
	m.Render("user-data", time.Second, errors.New("failed"))
	m.DHCP("mds", "DHCPACK")
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, family := range families {
		all[family.GetName()] = true
	}
	return all
}

// mentioned are the metrics that a file names.
func mentioned(t *testing.T, path string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range regexp.MustCompile(`\b(?:mdserver|process|go)_[a-z_]+\b`).FindAllString(string(text), -1) {
		if strings.HasPrefix(name, "mdserver_") {
			name = regexp.MustCompile(`_seconds_(?:bucket|count|sum)$`).ReplaceAllString(name, "_seconds")
		}
		found[name] = true
	}
	return found
}

// The page describes each alert.
func TestAlertsAreDocumented(t *testing.T) {
	rules, err := os.ReadFile("../../packaging/monitoring/prometheus-rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/howto/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1)
	if len(alerts) < 5 {
		t.Errorf("there are %d alerts only", len(alerts))
	}
	for _, alert := range alerts {
		if !strings.Contains(string(page), "| `"+alert[1]+"` |") {
			t.Errorf("docs/howto/monitoring.md lacks %s", alert[1])
		}
	}
}

// The page describes each metric. It, the alerts and the dashboard name no others.
func TestDocumented(t *testing.T) {
	all := names(t)
	page := mentioned(t, "docs/howto/monitoring.md")
	for name := range all {
		if strings.HasPrefix(name, namespace+"_") && !page[name] {
			t.Errorf("docs/howto/monitoring.md lacks %s", name)
		}
	}
	for _, path := range []string{"packaging/monitoring/prometheus-rules.yml", "packaging/monitoring/grafana-dashboard.json"} {
		found := mentioned(t, path)
		if len(found) < 5 {
			t.Errorf("%s names %v only", path, slices.Sorted(maps.Keys(found)))
		}
		for name := range found {
			if !all[name] {
				t.Errorf("%s names %s, which is no metric", path, name)
			}
		}
	}
	for name := range page {
		if strings.HasPrefix(name, namespace+"_") && !all[name] {
			t.Errorf("docs/howto/monitoring.md names %s, which is no metric", name)
		}
	}
}
