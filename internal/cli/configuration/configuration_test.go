package configuration

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/view"
)

const hostile = outputtest.Hostile

// runConfig runs one of the config commands and returns what it printed and
// its exit code.
func runConfig(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := Command()
	cmd.PersistentFlags().String("config", "/nonexistent/mdserver.conf", "")
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.Execute()
	if err != nil {
		out.WriteString(err.Error())
	}
	return out.String(), exit.Code(err)
}

func configText(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestConfigCheck(t *testing.T) {
	good := configText(t, "[mdserver]\nport = 8080\n")
	doubtful := configText(t, "[mdserver]\nprot = 8080\n")
	bad := configText(t, "[mdserver]\nport = x\nprot = 1\n[dnsmasq]\ngateway = here\n")
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"good", []string{"check", good}, 0, good + ": the configuration is valid\n"},
		{"by flag", []string{"check", "--config", good}, 0, good + ": the configuration is valid\n"},
		{"doubtful", []string{"check", doubtful}, 0,
			"warning: " + doubtful + ":2: mdserver.prot: unknown key, the nearest known one is mdserver.port\n" +
				doubtful + ": the configuration is valid\n"},
		{"bad", []string{"check", bad}, 1,
			"error: " + bad + ":2: mdserver.port = \"x\": not a whole number, accepted: a whole number from 1 to 65535\n" +
				"error: " + bad + ":5: dnsmasq.gateway = \"here\": not an IPv4 address, accepted: an IPv4 address\n" +
				"warning: " + bad + ":3: mdserver.prot: unknown key, the nearest known one is mdserver.port\n"},
		{"missing", []string{"check"}, 3, "/nonexistent/mdserver.conf: cannot open the file: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, code := runConfig(t, tt.args...)
			if out != tt.want || code != tt.code {
				t.Errorf("exit %d, want %d; printed\n%swant\n%s", code, tt.code, out, tt.want)
			}
		})
	}
}

func TestConfigCheckJSON(t *testing.T) {
	file := configText(t, "[mdserver]\nport = x\nprot = 1\n")
	out, code := runConfig(t, "check", "--json", file)
	var got struct {
		File     string
		OK       bool
		Problems []struct {
			File, Key, Value, Text, Accepted string
			Line                             int
		}
		Warnings []struct{ Key, Text string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if code != 1 || got.OK || got.File != file || len(got.Problems) != 1 || len(got.Warnings) != 1 {
		t.Fatalf("exit %d, %s", code, out)
	}
	p := got.Problems[0]
	if p.File != file || p.Line != 2 || p.Key != "mdserver.port" || p.Value != "x" || p.Text != "not a whole number" ||
		p.Accepted != "a whole number from 1 to 65535" || got.Warnings[0].Key != "mdserver.prot" {
		t.Errorf("%+v", got)
	}
}

func TestConfigDump(t *testing.T) {
	file := configText(t, "[mdserver]\nport = 8080\npassword = s3cret\n[public-keys]\nx = s3cret\n[template-data]\ny = s3cret\n")
	out, code := runConfig(t, "dump", file)
	if code != 0 || !strings.Contains(out, "mdserver.port=8080\n") || !strings.Contains(out, "dnsmasq.quarantine=1h\n") {
		t.Errorf("exit %d, %s", code, out)
	}
	asJSON, _ := runConfig(t, "dump", "--json", file)
	var settings []struct {
		Key, Value, File string
		Line             int
	}
	if err := json.Unmarshal([]byte(asJSON), &settings); err != nil {
		t.Fatal(err)
	}
	if s := settings[0]; s.Key != "mdserver.port" || s.Value != "8080" || s.File != file || s.Line != 2 {
		t.Errorf("%+v", s)
	}
	if strings.Contains(out+asJSON, "s3cret") {
		t.Error("a secret is in the dump")
	}
	if out, code := runConfig(t, "dump", configText(t, "x")); code != exit.Unreadable || !strings.Contains(out, ":1: text before the first section") {
		t.Errorf("exit %d, %s", code, out)
	}
}

// TestConfigDefault: what is printed can be read again.
func TestConfigDefault(t *testing.T) {
	sample, code := runConfig(t, "default")
	if code != 0 {
		t.Fatal(sample)
	}
	// Whatever this host has in /etc is not to be read.
	sample = strings.ReplaceAll(sample, "/etc/mdserver/mdserver.conf.d", t.TempDir())
	if out, code := runConfig(t, "check", configText(t, sample)); code != 0 || strings.Contains(out, "warning") {
		t.Errorf("exit %d, %s", code, out)
	}
}

// Whatever is in a configuration, its findings are printed in lines of their own.
func TestCheckIsHarmless(t *testing.T) {
	checked := checkReport{Problems: []finding{{File: hostile, Key: hostile, Value: hostile, Text: hostile}}}
	outputtest.AreHarmless(t, map[string]func(*bytes.Buffer) error{
		"names": func(b *bytes.Buffer) error { return checked.sheet().Print(b, view.FormatName, true) },
	})
}
