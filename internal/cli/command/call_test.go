package command

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/client"
	"mdserver/internal/config"
)

// configured is a command with the flags of all commands, in a directory with two
// configurations.
func configured(t *testing.T, flags string, environment ...string) *cobra.Command {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"a.conf": "[mdserver]\nsocket = /run/a\n", "b.conf": "[mdserver]\nsocket = /run/b\n", "wrong.conf": "[mdserver]\nport = many\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(EnvConfig, "")
	t.Setenv(EnvSocket, "")
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	cmd := &cobra.Command{SilenceErrors: true, SilenceUsage: true}
	cmd.Flags().String("config", "usual.conf", "")
	cmd.Flags().String("socket", "", "")
	if err := cmd.ParseFlags(strings.Fields(flags)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestConfigurationAndSocket checks which configuration and which socket a command takes: an
// argument comes before a flag, a flag before a variable, and a variable before what is usual.
func TestConfigurationAndSocket(t *testing.T) {
	usual := config.Default().Server.Socket
	for _, tt := range []struct {
		name        string
		flags       string
		environment []string
		file        string // the configuration
		named       bool   // whether somebody named it
		socket      string // that the configuration has, or the exit code of its error
		flag        string // the socket that is named
	}{
		{"nothing is named", "", nil, "usual.conf", false, usual, ""},
		{"a flag", "--config a.conf", nil, "a.conf", true, "/run/a", ""},
		{"a variable", "", []string{EnvConfig + "=b.conf"}, "b.conf", true, "/run/b", ""},
		{"a flag and a variable", "--config a.conf", []string{EnvConfig + "=b.conf"}, "a.conf", true, "/run/a", ""},
		{"the usual file by a flag", "--config usual.conf", nil, "usual.conf", true, "exit code 3", ""},
		{"a missing file by a variable", "", []string{EnvConfig + "=none.conf"}, "none.conf", true, "exit code 3", ""},
		{"a wrong file", "--config wrong.conf", nil, "wrong.conf", true, "exit code 3", ""},
		{"a socket", "--socket /run/c", nil, "usual.conf", false, usual, "/run/c"},
		{"a socket by a variable", "", []string{EnvSocket + "=/run/d"}, "usual.conf", false, usual, "/run/d"},
		{"a socket by both", "--socket /run/c", []string{EnvSocket + "=/run/d"}, "usual.conf", false, usual, "/run/c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := configured(t, tt.flags, tt.environment...)
			if file, named := ConfigFile(cmd, nil), ConfigNamed(cmd); file != tt.file || named != tt.named {
				t.Errorf("the configuration is %s, named: %v", file, named)
			}
			if file := ConfigFile(cmd, []string{"argument.conf"}); file != "argument.conf" {
				t.Errorf("with an argument, the configuration is %s", file)
			}
			cfg, err := LoadConfig(cmd)
			got := fmt.Sprintf("exit code %d", exit.Code(err))
			if err == nil {
				got = cfg.Server.Socket
			}
			if got != tt.socket {
				t.Errorf("the configuration has the socket %s, want %s: %v", got, tt.socket, err)
			}
			if got := SocketFlag(cmd); got != tt.flag {
				t.Errorf("the socket is %q, want %q", got, tt.flag)
			}
		})
	}
}

// asks is the error that a command prints as it asks a server which does not run: it names the
// socket.
func asks(cmd *cobra.Command) error {
	cmd.RunE = WithServer(func(cmd *cobra.Command, server *client.Client, args []string) error {
		if strings.Join(args, " ") != "a b" {
			return fmt.Errorf("the arguments are %q", args)
		}
		_, err := server.Status(cmd.Context())
		return err
	})
	return cmd.RunE(cmd, []string{"a", "b"})
}

// TestWithServer checks that a command asks at the socket that is named, or that the configuration
// has, and does not run without either.
func TestWithServer(t *testing.T) {
	for name, tt := range map[string]struct{ flags, socket string }{
		"by the configuration":                {"--config a.conf", "/run/a"},
		"by a flag":                           {"--config a.conf --socket /run/c", "/run/c"},
		"by a flag, and no configuration":     {"--config none.conf --socket /run/c", "/run/c"},
		"by a flag, and a wrong one is named": {"--config wrong.conf --socket /run/c", "/run/c"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := configured(t, tt.flags)
			cmd.SetContext(t.Context())
			if err := asks(cmd); !errors.Is(err, client.ErrNotRunning) || !strings.Contains(err.Error(), tt.socket) {
				t.Errorf("%v, want that nothing listens on %s", err, tt.socket)
			}
		})
	}
	for _, flags := range []string{"--config none.conf", "--config wrong.conf"} {
		cmd := configured(t, flags)
		cmd.SetContext(t.Context())
		info, err := os.Stat(config.Default().Server.Socket)
		usual := err == nil && info.Mode().Type() == os.ModeSocket // a server of this host, which is asked then
		if err := asks(cmd); usual == (exit.Code(err) == exit.Unreadable) {
			t.Errorf("%s: %v", flags, err)
		}
	}
}

// TestWithConfig checks that a command gets the configuration and its arguments, and does not run
// without a configuration that can be read.
func TestWithConfig(t *testing.T) {
	var got string
	show := WithConfig(func(_ *cobra.Command, cfg *config.Config, args []string) error {
		got = cfg.Server.Socket + " " + strings.Join(args, " ")
		return os.ErrClosed
	})
	if err := show(configured(t, "--config a.conf"), []string{"x"}); !errors.Is(err, os.ErrClosed) || got != "/run/a x" {
		t.Errorf("%q, %v", got, err)
	}
	got = ""
	if err := show(configured(t, "--config wrong.conf"), []string{"x"}); exit.Code(err) != exit.Unreadable || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestIsAway checks that a wait goes on while no server answers, and ends with what a server says.
func TestIsAway(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("a: %w", client.ErrNotRunning):  true,
		fmt.Errorf("a: %w", client.ErrUnreachable): true,
		&client.Error{Status: 404}:                 false,
		os.ErrDeadlineExceeded:                     false,
	} {
		if IsAway(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
	if IsAway(nil) {
		t.Error("no error means that no server answers")
	}
}
