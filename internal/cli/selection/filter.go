package selection

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/exit"
)

// guestStates are the states that --state accepts.
var guestStates = []string{string(api.Running), string(api.Off), string(api.Away), string(api.Gone), string(api.Unknown)}

// Filter selects guests. An empty list of it selects all.
type Filter struct {
	networks []string
	hosts    []string
	states   someOf
	tags     []tagFilter
}

// Flags adds the flags that select guests to a command.
func Flags(cmd *cobra.Command) *Filter {
	f := &Filter{states: someOf{accepted: guestStates, unit: "STATES"}}
	cmd.Flags().StringSliceVar(&f.networks, "network", nil, "only guests on one of these `NETWORKS`")
	cmd.Flags().Var(&f.states, "state", "only guests in one of these `STATES`: "+strings.Join(guestStates, ", "))
	cmd.Flags().VarP((*tagFlag)(&f.tags), "label", "l", "only guests with these `TAGS`: TAG=VALUE, TAG!=VALUE or TAG")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(guestStates, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	_ = cmd.RegisterFlagCompletionFunc("network", CompleteNetworks)
	_ = cmd.RegisterFlagCompletionFunc("label", completeTags)
	return f
}

// HostFlag adds the flag that selects guests by their hosts.
func HostFlag(cmd *cobra.Command, f *Filter) {
	cmd.Flags().StringSliceVar(&f.hosts, "host", nil, "only guests that one of these `HOSTS` has, by name or ID")
	_ = cmd.RegisterFlagCompletionFunc("host", CompleteHosts) // the flag exists
}

func (f Filter) Active() bool {
	return len(f.networks)+len(f.hosts)+len(f.states.values)+len(f.tags) > 0
}

// checkNetworks makes sure that the networks of the filter are served.
func (f Filter) checkNetworks(served []api.Network) error {
	var names []string
	for _, n := range served {
		names = append(names, n.Name)
	}
	for _, name := range f.networks {
		if !slices.Contains(names, name) {
			return exit.With(exit.Usage, fmt.Errorf("--network: no network %q is served; accepted: %s", name, strings.Join(names, ", ")))
		}
	}
	return nil
}

// checkHosts makes sure that the hosts of the filter are known.
func (f Filter) checkHosts(known []api.Host) error {
	var names []string
	for _, h := range known {
		names = append(names, h.Name)
	}
	for _, ref := range f.hosts {
		if !slices.ContainsFunc(known, func(h api.Host) bool { return ref == h.Name || ref == h.ID }) {
			return exit.With(exit.Usage, fmt.Errorf("--host: there is no host %q; accepted: %s", ref, strings.Join(names, ", ")))
		}
	}
	return nil
}

func (f Filter) passes(guest api.Guest) bool {
	on := func(network string) bool { _, on := guest.On(network); return on }
	return (len(f.hosts) == 0 || slices.Contains(f.hosts, guest.Host) || slices.Contains(f.hosts, guest.HostID)) &&
		(len(f.networks) == 0 || slices.ContainsFunc(f.networks, on)) &&
		(len(f.states.values) == 0 || slices.Contains(f.states.values, string(guest.State))) &&
		!slices.ContainsFunc(f.tags, func(t tagFilter) bool { return !t.passes(guest.Metadata.Tags) })
}

// tagFilter is one condition on a guest's tags.
type tagFilter struct {
	tag, operator, value string // the operator is "=", "!=", or empty: there is such a tag
}

// parseTagFilter reads TAG, TAG=VALUE or TAG!=VALUE.
func parseTagFilter(text string) (tagFilter, error) {
	tag, value, valued := strings.Cut(text, "=")
	f := tagFilter{tag: tag, value: value}
	if valued {
		f.operator = "="
	}
	if negated, ok := strings.CutSuffix(tag, "!"); valued && ok {
		f.tag, f.operator = negated, "!="
	}
	if f.tag == "" {
		return f, fmt.Errorf("%q names no tag; accepted: TAG=VALUE, TAG!=VALUE or TAG", text)
	}
	return f, nil
}

// passes reports whether tags fulfil the condition. A guest without the tag
// passes TAG!=VALUE.
func (f tagFilter) passes(tags map[string]string) bool {
	value, there := tags[f.tag]
	switch f.operator {
	case "=":
		return there && value == f.value
	case "!=":
		return !there || value != f.value
	}
	return there
}

// tagFlag is the value of --label. It implements pflag.Value.
type tagFlag []tagFilter

func (f *tagFlag) String() string {
	var list []string
	for _, t := range *f {
		list = append(list, t.tag+t.operator+t.value)
	}
	return strings.Join(list, ",")
}

// Type names the value in the usage of the flag.
func (f *tagFlag) Type() string { return "TAGS" }

// Set adds conditions.
func (f *tagFlag) Set(text string) error {
	for condition := range strings.SplitSeq(text, ",") {
		parsed, err := parseTagFilter(condition)
		if err != nil {
			return err
		}
		*f = append(*f, parsed)
	}
	return nil
}

// someOf is a flag whose values, separated by commas, are of those accepted. It
// implements pflag.Value.
type someOf struct {
	values   []string
	accepted []string
	unit     string
}

func (c *someOf) String() string { return strings.Join(c.values, ",") }

// Type names the value in the usage of the flag.
func (c *someOf) Type() string { return c.unit }

// Set adds values.
func (c *someOf) Set(text string) error {
	for value := range strings.SplitSeq(text, ",") {
		if !slices.Contains(c.accepted, value) {
			return fmt.Errorf("%q is unknown; accepted: %s", value, strings.Join(c.accepted, ", "))
		}
		c.values = append(c.values, value)
	}
	return nil
}
