package docs

import (
	"cmp"
	"slices"
	"strings"
	"testing"
)

// A reader who searches the documentation for these words finds the page among
// the first three.
func TestSearch(t *testing.T) {
	tests := []struct{ words, page string }{
		{"backup", "docs/howto/backup.md"},
		{"restore", "docs/howto/backup.md"},
		{"move another host", "docs/howto/move.md"},
		{"migration", "docs/howto/move.md"},
		{"spoofing", "docs/README.md"},
		{"poses guest", "docs/explanation/security.md"},
		{"harden", "docs/howto/harden.md"},
		{"require tokens", "docs/howto/harden.md"},
		{"Prometheus", "docs/howto/monitoring.md"},
		{"Grafana", "docs/howto/monitoring.md"},
		{"metrics", "docs/howto/monitoring.md"},
		{"journal log", "docs/howto/logging.md"},
		{"journalctl", "docs/howto/logging.md"},
		{"JSON log", "docs/howto/logging.md"},
		{"logrotate", "docs/howto/logging.md"},
		{"MTU", "docs/howto/dns.md"},
		{"NTP", "docs/howto/dns.md"},
		{"systemd-resolved", "docs/howto/dns.md"},
		{"Terraform", "docs/howto/automation.md"},
		{"Ansible", "docs/howto/automation.md"},
		{"wait", "docs/howto/automation.md"},
		{"firewall", "docs/howto/firewall.md"},
		{"firewalld", "docs/howto/firewall.md"},
		{"ufw", "docs/howto/firewall.md"},
		{"ports", "docs/howto/firewall.md"},
		{"fixed address", "docs/howto/addresses.md"},
		{"static address", "docs/howto/addresses.md"},
		{"reserve addresses", "docs/howto/addresses.md"},
		{"free address", "docs/howto/addresses.md"},
		{"reuse address", "docs/howto/addresses.md"},
		{"ssh key", "docs/howto/ssh-keys.md"},
		{"Windows password", "docs/howto/windows.md"},
		{"IPv6", "docs/howto/networks.md"},
		{"two servers one host", "docs/howto/networks.md"},
		{"run again", "docs/howto/user-data.md"},
		{"loops", "docs/howto/user-data.md"},
		{"group guests", "docs/howto/user-data.md"},
		{"vendor-data", "docs/reference/templates.md"},
		{"exit code wait", "docs/howto/automation.md"},
		{"uninstall", "docs/howto/install.md"},
		{"upgrade", "docs/howto/install.md"},
		{"Python mdserver", "docs/howto/upgrade.md"},
		{"identity verify", "docs/howto/identity.md"},
		{"no metadata", "docs/howto/troubleshooting.md"},
		{"SELinux", "docs/reference/libvirt.md"},
		{"Talos", "docs/reference/images.md"},
		{"disk full", "docs/explanation/reliability.md"},
		{"power loss", "docs/explanation/reliability.md"},
	}
	all := pages(t)
	for _, tt := range tests {
		if found := search(all, tt.words); !slices.Contains(found[:min(3, len(found))], tt.page) {
			t.Errorf("a search for %q finds %q, not %s", tt.words, found[:min(5, len(found))], tt.page)
		}
	}
}

// search returns the pages in docs that have all words, those with the words in
// headings first, then those with more of them for their length.
func search(all map[string]Page, words string) []string {
	score := map[string]float64{}
	for path, page := range all {
		if !strings.HasPrefix(path, "docs/") || strings.HasPrefix(path, "docs/development/") {
			continue
		}
		if s, ok := rank(page, strings.Fields(strings.ToLower(words))); ok {
			score[path] = s
		}
	}
	var found []string
	for path := range score {
		found = append(found, path)
	}
	slices.SortFunc(found, func(a, b string) int {
		return cmp.Or(cmp.Compare(score[b], score[a]), cmp.Compare(a, b))
	})
	return found
}

func rank(page Page, words []string) (float64, bool) {
	headings := strings.ToLower(strings.Join(page.Headings, "\n"))
	total := 0.0
	for _, word := range words {
		n := beginnings(page.lower, word)
		if n == 0 {
			return 0, false
		}
		total += float64(n)/float64(len(page.Lines)) + 2*float64(min(2, beginnings(headings, word)))
	}
	return total, true
}

// beginnings counts the words of a text that begin with another one: "ports" is not in
// "reports". A regular expression takes far longer.
func beginnings(text, word string) (n int) {
	for at := 0; ; at += len(word) {
		next := strings.Index(text[at:], word)
		if next < 0 {
			return n
		}
		if at += next; at == 0 || !inWord(text[at-1]) {
			n++
		}
	}
}

// inWord reports whether words in lower case contain a character.
func inWord(c byte) bool { return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' }
