package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mdserver/internal/api"
	"mdserver/internal/programtest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var placeholder = regexp.MustCompile(`@[A-Z]+@`)

func TestPartsNameTheServer(t *testing.T) {
	for address, want := range map[string]string{
		"169.254.169.254:80":   "http://169.254.169.254/mdserver/report",
		"10.0.0.1:8080":        "http://10.0.0.1:8080/mdserver/report",
		"[fd00:ec2::254]:80":   "http://[fd00:ec2::254]/mdserver/report",
		"[fd00:ec2::254]:8080": "http://[fd00:ec2::254]:8080/mdserver/report",
	} {
		server := netip.MustParseAddrPort(address)
		parts := Parts(server)
		var config struct {
			Reporting map[string]struct {
				Type, Endpoint string
				Timeout        float64
				Retries        int
			}
		}
		if err := yaml.Unmarshal(parts[0].Body, &config); err != nil {
			t.Fatal(err)
		}
		if got := config.Reporting["mdserver"]; got.Type != "webhook" || got.Endpoint != want || got.Timeout != 0.1 || got.Retries != 0 {
			t.Errorf("%s: %+v", address, got)
		}
		hook := string(parts[1].Body)
		if !strings.HasPrefix(hook, "#cloud-boothook\n#!/bin/sh\n") || !strings.Contains(hook, `HOST, PORT = "`+server.Addr().String()+`", int("`) {
			t.Errorf("%s: the hook does not begin with its mark, or the agent has another address", address)
		}
		for _, part := range parts {
			if left := placeholder.FindString(string(part.Body)); left != "" {
				t.Errorf("%s: %s is left in %s", address, left, part.Name)
			}
		}
	}
}

// cloud-init merges lists as the user-data says. So there is none to be merged with a
// user's own.
func TestPartsSetNoList(t *testing.T) {
	var config map[string]any
	if err := yaml.Unmarshal(Parts(netip.MustParseAddrPort("169.254.169.254:80"))[0].Body, &config); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch value := value.(type) {
		case []any:
			t.Errorf("%s is a list", path)
		case map[string]any:
			for name, inner := range value {
				walk(path+"."+name, inner)
			}
		}
	}
	walk("", config)
	delete(config, "merge_how")
	if len(config) != 1 || config["reporting"] == nil {
		t.Errorf("%v does not set reporting alone", config)
	}
}

// The scripts are correct as far as their languages can tell without a guest.
func TestScripts(t *testing.T) {
	programtest.Need(t, "python3", "python3-minimal")
	hook := filepath.Join(t.TempDir(), "hook")
	body := strings.TrimPrefix(string(Parts(netip.MustParseAddrPort("169.254.169.254:80"))[1].Body), "#cloud-boothook\n")
	if err := os.WriteFile(hook, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"sh", "-n", hook},
		{"python3", "-c", "import ast, sys; ast.parse(open('agent.py').read(), feature_version=(3, 6))"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
}

// TestLargeStatus: the agent shortens a status that the server would refuse for its
// size.
func TestLargeStatus(t *testing.T) {
	programtest.Need(t, "python3", "python3-minimal")
	var failures, warnings []string
	for i := range 2000 {
		failures = append(failures, fmt.Sprintf("error %d of the stage: %s", i, strings.Repeat("é", i%300)))
		warnings = append(warnings, "a warning")
	}
	finished := 1.0
	status, err := json.Marshal(map[string]any{"v1": map[string]any{
		"modules-config": map[string]any{"errors": failures, "recoverable_errors": map[string][]string{"WARNING": warnings}, "finished": finished},
		"modules-final":  map[string]any{"errors": []string{}, "finished": finished},
	}})
	if err != nil || len(status) < MaxBody {
		t.Fatalf("%d bytes, %v", len(status), err)
	}
	const program = `import sys
code = open("agent.py").read().replace("@PORT@", "80")
agent = {"__name__": "agent"}
exec(code, agent)
sys.stdout.buffer.write(agent["fitting"](sys.stdin.buffer.read().decode()).encode())`
	cmd := exec.Command("python3", "-c", program)
	cmd.Stdin = bytes.NewReader(status)
	sent, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(sent) > MaxBody {
		t.Errorf("the agent sends %d bytes, and the server takes %d", len(sent), MaxBody)
	}
	entry, err := parseStatus(sent)
	if err != nil || entry.Result != api.ResultFail || !strings.HasPrefix(entry.Detail, "error 0 of the stage") {
		t.Errorf("%+v, %v", entry, err)
	}
}
