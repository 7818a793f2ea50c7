package guests

import (
	"io"
	"slices"
	"strings"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
)

var refusalsView = view.View[[]api.Refusal]{
	Text: func(w io.Writer, all []api.Refusal) error { printRefusals(w, all); return nil },
	Sheet: func(all []api.Refusal) view.Sheet {
		s := view.Sheet{Columns: []string{"NAME", "STATE", "REASON"}, Wide: []string{"UUID", "SINCE"}}
		for _, r := range all {
			s.Rows = append(s.Rows, []string{output.Printable(r.Name), string(r.State), r.Reason, r.UUID.String(), r.Since.Format(time.RFC3339)})
		}
		return s
	},
}

// printRefusal tells why a domain is not served as it is defined now.
func printRefusal(w io.Writer, r api.Refusal) {
	output.Printf(w, "\n%s since %s: %s\n", output.Verbatim(strings.ToUpper(string(r.State))), r.Since.Local().Format(time.DateTime), r.Reason)
	for _, advice := range r.Advice {
		output.Printf(w, "- %s\n", advice)
	}
}

// printRefusals lists domains that are no guests, with what to do about each.
func printRefusals(w io.Writer, all []api.Refusal) {
	for _, r := range all {
		output.Printf(w, "%-8s %s: %s\n", r.State, output.Printable(r.Name), r.Reason)
		for _, advice := range r.Advice {
			output.Printf(w, "%-8s   %s\n", "", advice)
		}
	}
}

// printNotServed prints the domains that are missing in a list of guests.
func printNotServed(w io.Writer, all []api.Refusal) {
	unserved := slices.IndexFunc(all, func(r api.Refusal) bool { return r.State == api.Unserved })
	if unserved < 0 {
		unserved = len(all)
	}
	if unserved > 0 {
		output.Printf(w, "\n")
	}
	for _, r := range all[:unserved] {
		output.Printf(w, "refused: %s: %s\n", output.Printable(r.Name), r.Reason)
	}
	if more := len(all) - unserved; more > 0 {
		output.Printf(w, "\non networks that are not served: %d more (mdserver instance ls --refused)\n", more)
	}
}
