package selection

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
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

// answering is a server that gives the same answers always, and the path of its socket.
func answering(t *testing.T, answers map[string]string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "selection") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, answer)
	})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return socket
}

// completed returns what the shell is offered for an argument or a flag of a command.
func completed(t *testing.T, socket string, complete cobra.CompletionFunc) string {
	t.Helper()
	t.Setenv(command.EnvSocket, socket)
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	words, directive := complete(cmd, nil, "")
	if directive != cobra.ShellCompDirectiveNoFileComp {
		t.Errorf("directive %d", directive)
	}
	return strings.Join(words, " ")
}

// TestCompletions checks what the shell is offered for each kind of name, and that it is offered nothing,
// and no files, without a server or without its answer.
func TestCompletions(t *testing.T) {
	const id = "7e5a544d-d555-4133-a443-8229415be701"
	socket := answering(t, map[string]string{
		"/v1/instances": `[{"name": "web1", "metadata": {"tags": {"role": "db", "az": "1", "a b": ""}}}, {"name": "$(id)", "uuid": "` + id + `", "metadata": {"tags": {"role": "web"}}}]`,
		"/v1/status":    `{"networks": [{"name": "mds", "bridge": "br0"}, {"name": "a;b"}, {"name": "lan"}]}`,
		"/v1/hosts":     `[{"name": "kvm2", "id": "id-2"}, {"name": "kvm1", "id": "id-1"}, {"name": "-x"}]`,
	})
	cmd := &cobra.Command{}
	HostFlag(cmd, Flags(cmd))
	flag := func(name string) cobra.CompletionFunc {
		complete, ok := cmd.GetFlagCompletionFunc(name)
		if !ok {
			t.Fatalf("nothing completes --%s", name)
		}
		return complete
	}
	silent := answering(t, nil)
	for name, tt := range map[string]struct {
		complete cobra.CompletionFunc
		want     string
	}{
		"guests":    {CompleteGuests, "web1 " + id},
		"networks":  {CompleteNetworks, "lan mds"},
		"hosts":     {CompleteHosts, "kvm1 kvm2"},
		"--network": {flag("network"), "lan mds"},
		"--host":    {flag("host"), "kvm1 kvm2"},
		"--label":   {flag("label"), "az role"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := completed(t, socket, tt.complete); got != tt.want {
				t.Errorf("offered is %q, want %q", got, tt.want)
			}
			for what, without := range map[string]string{"no server": filepath.Join(t.TempDir(), "sock"), "no answer": silent} {
				if got := completed(t, without, tt.complete); got != "" {
					t.Errorf("with %s, offered is %q", what, got)
				}
			}
		})
	}
	if got := completed(t, silent, flag("state")); got != "running off away gone unknown" {
		t.Errorf("for --state, offered is %q", got)
	}
}

// TestWordsOfAShell checks that a name which is too long to be printed is offered by its UUID.
func TestWordsOfAShell(t *testing.T) {
	for length, want := range map[int]bool{output.MaxValue: true, output.MaxValue + 1: false} {
		if got := isWord(strings.Repeat("n", length)); got != want {
			t.Errorf("%d letters: %v", length, got)
		}
	}
}
