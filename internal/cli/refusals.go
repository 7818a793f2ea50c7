package cli

import (
	"io"
	"slices"
	"strings"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/cli/output"
)

var refusalsView = view[[]api.Refusal]{
	text: func(w io.Writer, all []api.Refusal) error { printRefusals(w, all); return nil },
	sheet: func(all []api.Refusal) sheet {
		s := sheet{columns: []string{"NAME", "STATE", "REASON"}, wide: []string{"UUID", "SINCE"}}
		for _, r := range all {
			s.rows = append(s.rows, []string{output.Printable(r.Name), string(r.State), r.Reason, r.UUID.String(), r.Since.Format(time.RFC3339)})
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
