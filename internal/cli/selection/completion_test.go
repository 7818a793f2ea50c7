package selection

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/client"
	"mdserver/internal/config"
	"mdserver/internal/instance"
)

// TestWord offers a shell only names that it takes as they are.
func TestWord(t *testing.T) {
	id := uuid.New()
	for name, offered := range map[string]bool{
		"web1": true, "büro": true, "web_1.example@x+y": true,
		"": false, "web 1": false, "$(id)": false, "a;b": false, "`id`": false, "-x": false, "a\tb": false, "a\nb": false,
		"a:b": false, "\x1b[31m": false, "a\u202eb": false, "a\u3164": false, "a\xff": false, "a\U000e0041": false,
	} {
		want := id.String()
		if offered {
			want = name
		}
		if got := Word(instance.Instance{Name: name, UUID: id}); got != want {
			t.Errorf("%q is offered as %q, want %q", name, got, want)
		}
	}
}

// TestCompletion checks that a shell gets each word once, in order, and none that it could misread.
// Without a configuration it gets none, unless a server is at the usual socket.
func TestCompletion(t *testing.T) {
	complete := completion(func(context.Context, *client.Client) []string { return []string{"b", "$(id)", "a", "b", "", "-c", "a"} })
	t.Setenv(command.EnvSocket, filepath.Join(t.TempDir(), "sock"))
	words, directive := complete(&cobra.Command{}, nil, "")
	if !slices.Equal(words, []string{"a", "b"}) || directive != cobra.ShellCompDirectiveNoFileComp {
		t.Errorf("%q, directive %d", words, directive)
	}
	t.Setenv(command.EnvSocket, "")
	t.Setenv(command.EnvConfig, filepath.Join(t.TempDir(), "none"))
	var want []string
	if info, err := os.Stat(config.Default().Server.Socket); err == nil && info.Mode().Type() == os.ModeSocket {
		want = []string{"a", "b"}
	}
	if words, directive := complete(&cobra.Command{}, nil, ""); !slices.Equal(words, want) || directive != cobra.ShellCompDirectiveNoFileComp {
		t.Errorf("without a configuration: %q, directive %d", words, directive)
	}
}
