package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckGo(t *testing.T) {
	tests := []struct {
		name   string
		goSays string // what `go env GOVERSION` prints; "" is no Go at all
		want   string // in the first line; "" is success
	}{
		{"none", "", "there is no go in PATH"},
		{"Debian 12", "go1.19.8", "/go is go1.19.8."},
		{"just too old", "go1.20.14", "/go is go1.20.14."},
		{"the oldest that will do", "go1.21.0", ""},
		{"a candidate", "go1.27rc1", ""},
		{"from its sources", "devel go1.27-3f9f5a1", ""},
		{"two", "go2.0", ""},
		{"nonsense", "gccgo", "/go is gccgo."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bin := t.TempDir()
			bash, err := exec.LookPath("bash")
			if err != nil {
				t.Fatal(err)
			}
			if test.goSays != "" {
				script := "#!" + bash + "\necho '" + test.goSays + "'\n"
				if err := os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(bash, "check-go")
			cmd.Env = []string{"PATH=" + bin}
			out, err := cmd.CombinedOutput()
			if test.want == "" {
				if err != nil || len(out) > 0 {
					t.Errorf("%v: %s", err, out)
				}
				return
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if err == nil || len(lines) != 2 || !strings.Contains(lines[0], test.want) || !strings.Contains(lines[1], "https://go.dev/doc/install") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// make checks Go before it runs it.
func TestMakeChecksGo(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\necho go1.19.8\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "-C", "..", "build")
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Go 1.21 or later is needed") || strings.Contains(string(out), "go build") {
		t.Errorf("make build: %v: %s", err, out)
	}
	for _, target := range []string{"build", "check", "demo", "demo-fleet", "test", "bench", "bench-http", "bench-render", "bench-attack"} {
		out, err := exec.Command("make", "--no-print-directory", "-C", "..", "-n", target).CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "scripts/check-go\n") {
			t.Errorf("make %s does not begin with scripts/check-go: %v\n%s", target, err, out)
		}
	}
}
