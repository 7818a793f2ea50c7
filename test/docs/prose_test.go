package docs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// rules are patterns of English that readers stumble over, and what to write
// instead.
var rules = []rule{
	newRule(`anew`, "again, or a new one"),
	newRule(`in force`, "applied, or active"),
	newRule(`fares`, "status"),
	newRule(`mends?|mended`, "repair, fix"),
	newRule(`bears?`, "has"),
	newRule(`somebody|nobody|anybody`, "name who: a user, another guest"),
	newRule(`of which|by which|at which|to which|with which|for which|from which`, "a sentence of its own"),
	newRule(`tells? of|told of|telling of|(?:is|are) told`, "reports, shows, lists"),
	newRule(`whoever|whosever|whatever|whom`, "name who or what"),
	newRule(`it is (?:the|a) [a-z]+ that`, "subject, verb, object"),
	newRule(`the original|the original's`, "the Python mdserver"),
	newRule(`as it is to be`, "as required"),
	newRule(`(?:is|are) to be`, "will be, must be"),
	newRule(`all is well|is well`, "no errors"),
	newRule(`save that|but for`, "except"),
	newRule(`thereof|therein|whereby|wherein|hereby|whence|thus`, "plain words"),
	newRule(`of ours|of theirs|of yours`, "mdserver's, your"),
	newRule(`and says? so there|bids?|in vain`, "plain words"),
	newRule(`pass(?:es|ed)? over`, "ignored, skipped"),
	newRule(`looked at`, "checked, read"),
	newRule(`rests|resting`, "in quarantine"),
	newRule(`put right|puts right`, "corrected, repaired"),
	newRule(`nevertheless`, "anyway"),
	newRule(`all else`, "everything else"),
	newRule(`left alone`, "not changed, not used"),
}

// rule is a pattern of English and what to write instead.
type rule struct {
	pattern *regexp.Regexp
	instead string
}

// newRule makes a rule for whole words, in upper or lower case.
func newRule(words, instead string) rule {
	return rule{regexp.MustCompile(`(?i)\b(?:` + words + `)\b`), instead}
}

// checkProse reports each rule that a text breaks.
func checkProse(t *testing.T, place, text string) {
	t.Helper()
	for _, rule := range rules {
		if found := rule.pattern.FindString(text); found != "" {
			t.Errorf("%s: %q: write %s\n\t%s", place, found, rule.instead, text)
		}
	}
}

// unread are pages that are not written for users to read through.
var unread = map[string]bool{
	"CHANGELOG.md": true,
}

// The documentation uses none of the patterns above.
func TestProse(t *testing.T) {
	for path, page := range pages(t) {
		if unread[path] || strings.HasPrefix(path, "docs/development/") {
			continue
		}
		for _, line := range page.Prose() {
			checkProse(t, fmt.Sprintf("%s:%d", path, line.Number), line.Text)
		}
	}
}
