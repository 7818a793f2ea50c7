// Package inventory has the commands that give guests to other programs and take them
// back: Ansible, Terraform, JSON, the Python mdserver.
package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"mdserver/internal/ansible"
	"mdserver/internal/api"
	"mdserver/internal/cli/boots"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/client"
)

// Command is the command inventory.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inventory",
		Short: "Print the guests in the form that Ansible or Terraform reads",
		Long: `Print the guests in the form that Ansible or Terraform reads.

--ansible prints what Ansible expects of an inventory script. Hosts are guests by
their host names. Groups are mdserver (all guests), network_NETWORK, state_STATE,
tag_TAG_VALUE, and tag_TAG for a tag without a value. In names, all but ASCII's
letters and digits becomes an underscore. The filters are those of
"mdserver instance ls".

--terraform is a program for the data source "external" of Terraform and OpenTofu.
It reads {"name": "GUEST"} from standard input and prints one guest as a map of
strings. GUEST is a name, UUID or address, as for other commands. With "wait_for"
in the query, it first waits for a condition of "mdserver wait", and for "timeout"
(5m) at most.`,
		Example: `  mdserver inventory --ansible --list
  mdserver inventory --ansible --state running -l role=web
  echo '{"name": "web1"}' | mdserver inventory --terraform`,
		Args: command.Exactly(0),
	}
	asAnsible := cmd.Flags().Bool("ansible", false, "print an inventory of Ansible")
	list := cmd.Flags().Bool("list", false, "print all guests (the default)")
	host := cmd.Flags().String("host", "", "print the variables of one `GUEST`")
	asTerraform := cmd.Flags().Bool("terraform", false, "answer a query of Terraform or OpenTofu")
	filter := selection.Flags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("host", selection.CompleteGuests) // the flag exists
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, _ []string) error {
		switch {
		case *asAnsible == *asTerraform:
			return exit.With(exit.Usage, errors.New("choose one of --ansible and --terraform"))
		case *asTerraform && (*list || *host != "" || filter.Active()):
			return exit.With(exit.Usage, errors.New("--terraform takes no other flags: the query on standard input names the guest"))
		case *list && *host != "":
			return exit.With(exit.Usage, errors.New("choose one of --list and --host"))
		case *asTerraform:
			return answerTerraform(cmd, server)
		}
		all, err := selection.Guests(cmd.Context(), server, *filter, nil)
		if err != nil {
			return err
		}
		if *host != "" {
			guest, err := ansibleHost(cmd, server, all.Guests, *host)
			if err != nil {
				return err
			}
			all.Guests = []api.Guest{guest}
		}
		guests, err := withKeys(cmd.Context(), server, all.Guests)
		if err != nil {
			return err
		}
		if *host != "" {
			return output.JSON(cmd.OutOrStdout(), ansible.Host(guests[0]))
		}
		return output.JSON(cmd.OutOrStdout(), ansible.List(guests))
	})
	return cmd
}

// withKeys adds the host keys of guests.
func withKeys(ctx context.Context, server *client.Client, guests []api.Guest) ([]ansible.Guest, error) {
	known, err := server.SSHGuests(ctx)
	if err != nil {
		return nil, err
	}
	keys := map[uuid.UUID][]api.SSHKey{}
	for _, guest := range known {
		keys[guest.UUID] = guest.Keys
	}
	all := make([]ansible.Guest, len(guests))
	for i, guest := range guests {
		all[i] = ansible.Guest{Guest: guest, Keys: keys[guest.UUID]}
	}
	return all, nil
}

// ansibleHost finds the guest that has a host name, as hosts are named in the
// inventory. People may use any other reference that is not one.
func ansibleHost(cmd *cobra.Command, server *client.Client, guests []api.Guest, name string) (api.Guest, error) {
	for _, guest := range guests {
		if guest.Hostname == name {
			return guest, nil
		}
	}
	return oneGuest(cmd, server, name)
}

// oneGuest finds the guest that a name or another reference means.
func oneGuest(cmd *cobra.Command, server *client.Client, ref string) (api.Guest, error) {
	found, err := selection.Guests(cmd.Context(), server, selection.Filter{}, []string{ref})
	switch {
	case err != nil:
		return api.Guest{}, err
	case len(found.Guests) == 0: // it was released in the meantime
		return api.Guest{}, fmt.Errorf("the guest %q is gone", ref)
	}
	return found.Guests[0], nil
}

// maxQuery bounds a query of Terraform, in bytes.
const maxQuery = 64 << 10

// answerTerraform answers the query on standard input.
//
// Source: "External data source", Terraform's documentation: a JSON object of
// strings comes in and goes out; an error goes to standard error.
func answerTerraform(cmd *cobra.Command, server *client.Client) error {
	query, err := readQuery(cmd.InOrStdin())
	if err != nil {
		return exit.With(exit.Usage, fmt.Errorf("query on standard input: %w", err))
	}
	if query.goal != "" {
		if err := query.wait(cmd, server); err != nil {
			return err
		}
	}
	guest, err := oneGuest(cmd, server, query.name)
	if err != nil {
		return err
	}
	return output.JSON(cmd.OutOrStdout(), flat(guest))
}

// terraformQuery is what Terraform asks for.
type terraformQuery struct {
	name    string
	goal    string // empty: do not wait
	timeout time.Duration
}

func readQuery(r io.Reader) (q terraformQuery, err error) {
	const accepted = `accepted: a JSON object such as {"name": "web1"}, with "wait_for" and "timeout" if it is to wait`
	text, err := io.ReadAll(io.LimitReader(r, maxQuery+1))
	if err != nil {
		return q, err
	}
	values := map[string]string{}
	if len(text) > maxQuery {
		return q, fmt.Errorf("longer than %d bytes, %s", maxQuery, accepted)
	}
	if err := json.Unmarshal(text, &values); err != nil {
		return q, fmt.Errorf("%w, %s", err, accepted)
	}
	q.timeout = command.DefaultWait
	for _, key := range slices.Sorted(maps.Keys(values)) {
		value := values[key]
		switch key {
		case "name":
			q.name = value
		case "wait_for":
			q.goal = value
			if !slices.Contains(terraformGoals, value) {
				return q, fmt.Errorf("wait_for: %q, accepted: %s", value, strings.Join(terraformGoals, ", "))
			}
		case "timeout":
			if q.timeout, err = time.ParseDuration(value); err != nil || q.timeout < 0 {
				return q, fmt.Errorf("timeout: %q, accepted: a duration such as 90s or 5m", value)
			}
		default:
			return q, fmt.Errorf("unknown key %q, %s", key, accepted)
		}
	}
	switch _, timed := values["timeout"]; {
	case q.name == "":
		return q, fmt.Errorf("no name, %s", accepted)
	case timed && q.goal == "":
		return q, fmt.Errorf("timeout without wait_for, %s", accepted)
	}
	return q, nil
}

// terraformGoals are the conditions in which there is a guest to print.
var terraformGoals = slices.DeleteFunc(slices.Clone(boots.Conditions), func(name string) bool { return name == "gone" })

// wait waits until the guest is as wanted. The error, with the exit code of the
// command wait, says how it is instead.
func (q terraformQuery) wait(cmd *cobra.Command, server *client.Client) error {
	results, err := boots.Wait(cmd, server, q.goal, q.timeout, []string{q.name})
	if err != nil {
		return err
	}
	if code := boots.ExitCode(results); code != 0 {
		return exit.With(code, fmt.Errorf("the guest %q is not as wanted: %s: %s: %s", q.name, q.goal, results[0].Outcome, results[0].Reason()))
	}
	return nil
}

// flat is a guest as a map of strings. What a guest lacks is empty, so that
// Terraform's expressions find each key.
func flat(guest api.Guest) map[string]string {
	all := map[string]string{
		"name": guest.Name, "hostname": guest.Hostname, "uuid": guest.UUID.String(), "instance_id": guest.ID,
		"state": string(guest.State), "network": guest.Network, "mac": guest.MAC.String(),
		"ipv4": firstAddress(guest, netip.Addr.Is4), "ipv6": firstAddress(guest, netip.Addr.Is6),
	}
	for tag, value := range guest.Metadata.Tags {
		all["tag_"+tag] = value
	}
	return all
}

func firstAddress(guest api.Guest, is func(netip.Addr) bool) string {
	addrs := guest.Addrs()
	if i := slices.IndexFunc(addrs, is); i >= 0 {
		return addrs[i].String()
	}
	return ""
}
