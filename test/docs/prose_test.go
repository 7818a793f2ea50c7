package docs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// rules are patterns of English that readers stumble over, and what to write
// instead.
var rules = []struct{ words, instead string }{
	{`anew`, "again, or a new one"},
	{`in force`, "applied, or active"},
	{`fares`, "status"},
	{`mends?|mended`, "repair, fix"},
	{`bears?`, "has"},
	{`somebody|nobody|anybody`, "name who: a user, another guest"},
	{`of which|by which|at which|to which|with which|for which|from which`, "a sentence of its own"},
	{`tells? of|told of|telling of|(?:is|are) told`, "reports, shows, lists"},
	{`whoever|whosever|whatever|whom`, "name who or what"},
	{`it is (?:the|a) [a-z]+ that`, "subject, verb, object"},
	{`the original|the original's`, "the Python mdserver"},
	{`as it is to be`, "as required"},
	{`(?:is|are) to be`, "will be, must be"},
	{`all is well|is well`, "no errors"},
	{`save that|but for`, "except"},
	{`thereof|therein|whereby|wherein|hereby|whence|thus`, "plain words"},
	{`of ours|of theirs|of yours`, "mdserver's, your"},
	{`and says? so there|bids?|in vain`, "plain words"},
	{`pass(?:es|ed)? over`, "ignored, skipped"},
	{`looked at`, "checked, read"},
	{`rests|resting`, "in quarantine"},
	{`put right|puts right`, "corrected, repaired"},
	{`nevertheless`, "anyway"},
	{`all else`, "everything else"},
	{`left alone`, "not changed, not used"},
}

// whole matches words, in upper or lower case.
func whole(words ...string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:` + strings.Join(words, "|") + `)\b`)
}

// anyRule matches what one of the rules matches.
var anyRule = func() *regexp.Regexp {
	var all []string
	for _, rule := range rules {
		all = append(all, rule.words)
	}
	return whole(all...)
}()

// checkProse reports each rule that a text breaks.
func checkProse(t *testing.T, place, text string) {
	t.Helper()
	if !anyRule.MatchString(text) {
		return
	}
	for _, rule := range rules {
		if found := whole(rule.words).FindString(text); found != "" {
			t.Errorf("%s: %q: write %s\n\t%s", place, found, rule.instead, text)
		}
	}
}

// unread are pages that are not written for users to read through.
var unread = map[string]bool{
	"CHANGELOG.md": true,
}

// The documentation uses none of the words above.
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
