package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/config"
	"mdserver/internal/visible"
)

// TestErrorsOfEveryCommand checks that each command with --json or -o prints its errors in that form.
func TestErrorsOfEveryCommand(t *testing.T) {
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		for _, tt := range []struct{ flag, value, want string }{{"json", "true", view.FormatJSON}, {"output", "yaml", view.FormatYAML}} {
			flag := cmd.Flags().Lookup(tt.flag)
			if flag == nil || flag.Value.Type() == "string" { // the name of a file
				continue
			}
			if err := cmd.Flags().Set(tt.flag, tt.value); err != nil {
				t.Fatal(err)
			}
			if got := view.FormatOf(cmd); got != tt.want {
				t.Errorf("with --%s=%s, an error is printed as %q, want %q", tt.flag, tt.value, got, tt.want)
			}
		}
	})
}

// TestReportError checks what a person and what a program is told of an error.
func TestReportError(t *testing.T) {
	err := &client.Error{Status: 404, Code: api.CodeNotFound, Message: "no such guest: <a>\nb"}
	for format, want := range map[string]string{
		"":               "mdserver: no such guest: <a>\n  b\n",
		view.FormatTable: "mdserver: no such guest: <a>\n  b\n",
		view.FormatCSV:   "mdserver: no such guest: <a>\n  b\n",
		view.FormatJSON:  "{\n  \"error\": \"no such guest: <a>\\nb\",\n  \"code\": \"not_found\"\n}\n",
		view.FormatYAML:  "error: \"no such guest: <a>\\nb\"\ncode: not_found\n",
	} {
		var out bytes.Buffer
		if reportError(&out, format, err); out.String() != want {
			t.Errorf("%s: %q, want %q", format, &out, want)
		}
	}
}

// TestErrorCode checks the codes that programs rely on. What the server says comes first, and the
// command line before what is wrong with a file.
func TestErrorCode(t *testing.T) {
	refused := &client.Error{Status: 409, Code: api.CodeMACInUse}
	for _, tt := range []struct {
		name string
		err  error
		want api.ErrorCode
	}{
		{"refused", fmt.Errorf("x: %w", refused), api.CodeMACInUse},
		{"refused, with an exit code", exit.With(exit.Usage, refused), api.CodeMACInUse},
		{"not found, without a code", &client.Error{Status: 404}, api.CodeNotFound},
		{"refused, without a code", &client.Error{Status: 500}, api.CodeFailed},
		{"no server", fmt.Errorf("x: %w", client.ErrNotRunning), api.CodeNotRunning},
		{"no access", fmt.Errorf("x: %w", client.ErrUnreachable), api.CodeUnreachable},
		{"declined", fmt.Errorf("x: %w", command.ErrDeclined), api.CodeDeclined},
		{"a wrong command line", exit.With(exit.Usage, fs.ErrNotExist), api.CodeUsage},
		{"no key", exit.With(exit.NotFound, config.ErrNoKey), api.CodeNotFound},
		{"a wrong configuration", exit.With(exit.Unreadable, &config.Problem{File: "a"}), api.CodeConfiguration},
		{"no file", exit.With(exit.Unreadable, fmt.Errorf("x: %w", os.ErrNotExist)), api.CodeNoFile},
		{"no rights", exit.With(exit.Unreadable, fmt.Errorf("x: %w", os.ErrPermission)), api.CodePermissionDenied},
		{"anything else", errors.New("x"), api.CodeFailed},
	} {
		if got := errorCode(tt.err); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestConfigOnly checks that the only argument without a command is a configuration, as the Python
// mdserver had it.
func TestConfigOnly(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.conf", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
	}{{nil, 0}, {[]string{"a.conf"}, 0}, {[]string{"b.conf"}, exit.Usage}, {[]string{"."}, exit.Usage}, {[]string{"a.conf", "a.conf"}, exit.Usage}, {[]string{"nonsense"}, exit.Usage}} {
		if err := configOnly(newRoot(), tt.args); exit.Code(err) != tt.code {
			t.Errorf("%q: %v", tt.args, err)
		}
	}
}

// Whatever an error says, it is printed in lines of its own.
func TestErrorsAreHarmless(t *testing.T) {
	outputtest.AreHarmless(t, map[string]func(*bytes.Buffer) error{
		"json": func(b *bytes.Buffer) error {
			reportError(b, view.FormatJSON, errors.New(outputtest.Hostile))
			return nil
		},
		"yaml": func(b *bytes.Buffer) error {
			reportError(&visible.Writer{W: b}, view.FormatYAML, errors.New(outputtest.Hostile))
			return nil
		},
	})
}
