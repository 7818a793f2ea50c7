package selection

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/client"
	"mdserver/internal/instance"
	"mdserver/internal/visible"
)

// RefHelp says by what else than its name a guest can be named.
const RefHelp = "NAME may also be a UUID, an instance-id, a MAC address, an IP address or a host name."

// CompleteGuests offers the names of guests to the shell, and the UUID of one
// whose name could mean something else to it.
func CompleteGuests(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	server, err := command.Connect(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := server.Instances(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]string, 0, len(all))
	for _, inst := range all {
		names = append(names, Word(inst))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// Word names a guest by letters, digits and what else no shell and no terminal
// takes for more than that.
func Word(inst instance.Instance) string {
	if !isWord(inst.Name) {
		return inst.UUID.String()
	}
	return inst.Name
}

// isWord reports whether a shell and a terminal take a text for nothing but a word.
func isWord(text string) bool {
	special := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-+@", r)
	}
	return text != "" && !strings.ContainsFunc(text, special) && !strings.HasPrefix(text, "-") && visible.Limit(text, output.MaxValue) == text
}

// CompleteNetworks offers the names of networks to the shell.
var CompleteNetworks = completion(func(ctx context.Context, server *client.Client) (words []string) {
	status, _ := server.Status(ctx) // no words without an answer
	for _, n := range status.Networks {
		words = append(words, n.Name)
	}
	return words
})

// CompleteHosts offers the names of hosts to the shell.
var CompleteHosts = completion(func(ctx context.Context, server *client.Client) (words []string) {
	hosts, _ := server.Hosts(ctx) // no words without an answer
	for _, h := range hosts {
		words = append(words, h.Name)
	}
	return words
})

// completeTags offers the tags that guests have to the shell.
var completeTags = completion(func(ctx context.Context, server *client.Client) (words []string) {
	guests, _ := server.Guests(ctx) // no words without an answer
	for _, guest := range guests {
		words = slices.AppendSeq(words, maps.Keys(guest.Metadata.Tags))
	}
	return words
})

// completion makes a function that offers words of the server to the shell: those
// that a shell and a terminal take for nothing else.
func completion(words func(context.Context, *client.Client) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		server, err := command.Connect(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		offered := slices.DeleteFunc(words(cmd.Context(), server), func(w string) bool { return !isWord(w) })
		slices.Sort(offered)
		return slices.Compact(offered), cobra.ShellCompDirectiveNoFileComp
	}
}
