package guests

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	ports "mdserver/internal/portsecurity/table"
)

// ExplainCommand is the command explain.
func ExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain NAME",
		Short: "Explain a guest: its addresses, its requests, and what is missing",
		Example: `  mdserver explain web1
  mdserver explain 10.122.0.7`,
		Long: `Show where each fact about a guest came from, which addresses it has and why,
which template it gets and which others were tried, what it requested since the
server started, and what is missing for it to boot. For a domain that is not a
guest, show why, and what to do about it.

` + selection.RefHelp,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteGuests,
	}
	return view.Query(cmd, view.View[api.Explanation]{Text: printExplanation}, func(ctx context.Context, server *client.Client, args []string) (api.Explanation, error) {
		return server.Explain(ctx, args[0])
	})
}

func printExplanation(w io.Writer, doc api.Explanation) error {
	var facts [][]string
	for _, f := range doc.Facts {
		facts = append(facts, []string{f.Name, output.Printable(f.Value), f.Source})
	}
	if err := output.Table(w, []string{"FACT", "VALUE", "FROM"}, facts); err != nil {
		return err
	}
	if r := doc.Refusal; r != nil {
		printRefusal(w, *r)
	}
	if !doc.Served {
		if doc.Refusal == nil {
			return printMissing(w, doc.Missing)
		}
		return nil
	}
	printAddresses(w, doc.Addresses)
	printPortSecurity(w, doc.PortSecurity)
	printTemplate(w, doc)
	if err := printRequests(w, doc); err != nil {
		return err
	}
	return printMissing(w, doc.Missing)
}

func printMissing(w io.Writer, missing []string) error {
	output.Printf(w, "\nMISSING\n")
	for _, text := range missing {
		output.Printf(w, "- %s\n", text)
	}
	if len(missing) == 0 {
		output.Printf(w, "nothing\n")
	}
	return nil
}

func printAddresses(w io.Writer, all []api.ExplainedAddress) {
	output.Printf(w, "\nADDRESSES\n")
	for _, a := range all {
		output.Printf(w, "%s on %s: %s\n", a.Address, output.Printable(a.Network), a.Why)
		for _, p := range a.Passed {
			output.Printf(w, "  passed %s: %s\n", p.Address, output.Printable(p.Reason))
		}
		if a.More > 0 {
			output.Printf(w, "  passed %d more\n", a.More)
		}
	}
}

// printPortSecurity tells what a guest may send on each of its networks.
func printPortSecurity(w io.Writer, all []api.GuestPortSecurity) {
	output.Printf(w, "\nPORT SECURITY\n")
	for _, p := range all {
		place := p.Network
		if p.Port != "" {
			place += " at " + p.Port
		}
		output.Printf(w, "%s on %s: %s\n", p.State, place, p.Why)
		if len(p.Sends) > 0 {
			output.Printf(w, "  sends from %s\n", strings.Join(sources(p), ", "))
		}
		if len(p.Dropped) > 0 {
			output.Printf(w, "  dropped %s\n", ports.Describe(p.Dropped))
		}
	}
}

// sources are the addresses that a guest may send from, MACs first.
func sources(p api.GuestPortSecurity) []string {
	var list []string
	for _, mac := range p.MACs {
		list = append(list, mac.String())
	}
	for _, prefix := range p.Sends {
		if prefix.IsSingleIP() {
			list = append(list, prefix.Addr().String())
			continue
		}
		list = append(list, prefix.String())
	}
	return list
}

func printTemplate(w io.Writer, doc api.Explanation) {
	output.Printf(w, "\nTEMPLATE %s\n", output.Printable(doc.Template.Serves))
	for _, c := range doc.Template.Candidates {
		state := "absent"
		if c.There {
			state = "there"
		}
		if c.Wrong != "" {
			state = "wrong"
		}
		output.Printf(w, "  %-7s %s (%s)\n", state, output.Printable(c.Path), c.Rule)
	}
}

func printRequests(w io.Writer, doc api.Explanation) error {
	output.Printf(w, "\nREQUESTS since %s\n", doc.Since.Local().Format(time.DateTime))
	if doc.DHCP != nil {
		output.Printf(w, "%s at %s\n", doc.DHCP.Message, doc.DHCP.At.Local().Format(time.DateTime))
	}
	var rows [][]string
	for _, k := range doc.Requests.Kinds {
		rows = append(rows, []string{k.Name, fmt.Sprint(k.Count), k.Last.Local().Format(time.DateTime), fmt.Sprint(k.Status)})
	}
	if err := output.Table(w, []string{"KIND", "COUNT", "LAST", "STATUS"}, rows); err != nil {
		return err
	}
	for _, r := range doc.Requests.Recent {
		output.Printf(w, "  %s %s %s %s %d\n", r.At.Local().Format("15:04:05.000"), r.Client, output.Printable(r.Method), output.Printable(r.Path), r.Status)
	}
	return nil
}
