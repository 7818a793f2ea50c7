package docs

import (
	"regexp"
	"strings"
	"testing"
)

// rules are patterns of English that readers stumble over, and what to write
// instead.
var rules = []struct{ pattern, instead string }{
	{`anew`, "again, or a new one"},
	{`in force`, "applied, or active"},
	{`fares`, "status"},
	{`mends?|mended`, "repair, fix"},
	{`bears?`, "has"},
	{`somebody|nobody|anybody`, "name who: a user, another guest"},
	{`of which|by which|at which|to which|with which|for which|from which`, "a sentence of its own"},
	{`tells? of|told of|telling of`, "reports, shows, lists"},
	{`whoever|whosever|whatever`, "name who or what"},
	{`it is (?:the|a) [a-z]+ that`, "subject, verb, object"},
	{`the original|the original's`, "the Python mdserver"},
	{`as it is to be`, "as required"},
	{`all is well|is well`, "no errors"},
	{`save that|but for`, "except"},
	{`thereof|therein|whereby|wherein|hereby|whence|thus`, "plain words"},
	{`of ours|of theirs|of yours`, "mdserver's, your"},
	{`and says? so there|bids?`, "plain words"},
}

// unread are pages that are not written for users to read through, or that
// still have to be rewritten.
var unread = map[string]bool{
	"CHANGELOG.md":                     true,
	"docs/explanation/architecture.md": true,
	"docs/reference/commands.md":       true,
}

// The documentation uses none of the patterns above.
func TestProse(t *testing.T) {
	for path, page := range pages(t) {
		if unread[path] || strings.HasPrefix(path, "docs/development/") {
			continue
		}
		for _, line := range page.Prose() {
			for _, rule := range rules {
				if found := regexp.MustCompile(`(?i)\b(?:` + rule.pattern + `)\b`).FindString(line.Text); found != "" {
					t.Errorf("%s:%d: %q: write %s\n\t%s", path, line.Number, found, rule.instead, line.Text)
				}
			}
		}
	}
}
