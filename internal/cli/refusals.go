package cli

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/client"
)

func listRefusals(cmd *cobra.Command, c *client.Client, asJSON bool) error {
	all, err := c.Refusals(cmd.Context())
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), all)
	}
	printRefusals(cmd.OutOrStdout(), all)
	return nil
}

// printRefusal tells why a domain is not served as it is defined now.
func printRefusal(w io.Writer, r api.Refusal) {
	printf(w, "\n%s since %s: %s\n", verbatim(strings.ToUpper(string(r.State))), r.Since.Local().Format(time.DateTime), r.Reason)
	for _, advice := range r.Advice {
		printf(w, "- %s\n", advice)
	}
}

// printRefusals lists domains that are no guests, with what to do about each.
func printRefusals(w io.Writer, all []api.Refusal) {
	for _, r := range all {
		printf(w, "%-8s %s: %s\n", r.State, printable(r.Name), r.Reason)
		for _, advice := range r.Advice {
			printf(w, "%-8s   %s\n", "", advice)
		}
	}
}

// printNotServed tells of the domains that are missing in a list of guests.
func printNotServed(w io.Writer, all []api.Refusal) {
	unserved := slices.IndexFunc(all, func(r api.Refusal) bool { return r.State == api.Unserved })
	if unserved < 0 {
		unserved = len(all)
	}
	if unserved > 0 {
		printf(w, "\n")
	}
	for _, r := range all[:unserved] {
		printf(w, "refused: %s: %s\n", printable(r.Name), r.Reason)
	}
	if more := len(all) - unserved; more > 0 {
		printf(w, "\non networks that are not served: %d more (mdserver instance ls --refused)\n", more)
	}
}
