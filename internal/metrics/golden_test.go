package metrics

import (
	"flag"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden file")

// All metrics of the state, and what each metric is.
func TestGolden(t *testing.T) {
	m := New(sources())
	request(m, "/", "curl/8", 200)
	m.Render("user-data", time.Second, nil)
	m.DHCP("mds", "DHCPACK")
	var b strings.Builder
	for line := range strings.Lines(scrape(t, m)) {
		recorded := strings.HasPrefix(line, "mdserver_http_") || strings.HasPrefix(line, "mdserver_render") || strings.HasPrefix(line, "mdserver_dhcp_")
		if strings.HasPrefix(line, "# HELP mdserver_") || strings.HasPrefix(line, "mdserver_") && !recorded {
			b.WriteString(strings.ReplaceAll(line, runtime.Version(), "GOVERSION"))
		}
	}
	const file = "testdata/metrics.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("not as %s has it (-update writes it):\n%s", file, b.String())
	}
}

func TestFrontend(t *testing.T) {
	for path, want := range map[string]string{
		"/openstack/latest": "openstack", "/nocloud": "nocloud", "//service/name": "service", "/instance-upload": "upload",
		"/mdserver/report": "report", "/": "ec2", "": "ec2", "/latest/openstack": "ec2", "/servicex": "ec2",
	} {
		if got := Frontend(path); got != want {
			t.Errorf("%q is for %s, want %s", path, got, want)
		}
	}
}

func TestStatusClass(t *testing.T) {
	for status, want := range map[int]string{
		0: "other", 99: "other", 100: "1xx", 199: "1xx", 200: "2xx", http.StatusNotModified: "3xx", 404: "4xx", 599: "5xx", 600: "other", -1: "other",
	} {
		if got := statusClass(status); got != want {
			t.Errorf("%d is of %s, want %s", status, got, want)
		}
	}
}

func TestClientFamily(t *testing.T) {
	for agent, want := range map[string]string{
		"":                     "none",
		"Mozilla/5.0":          "other",
		"my curl/8":            "other",
		"Cloud-Init/24.1":      "cloud-init",
		"curl/8.5.0":           "curl",
		"Ignition/2.18.0":      "ignition",
		"Wget/1.21":            "wget",
		"aws-sdk-go/1.44":      "aws",
		"amazon-ssm-agent/3":   "aws",
		"Boto3/1.28":           "aws",
		"systemd-imdsd":        "systemd",
		"Go-http-client/1.1":   "go",
		"python-requests/2.31": "python",
		"Python-urllib/3.11":   "python",
		"Ruby":                 "ruby",
		"ansible-httpget":      "ansible",
		"Fluent-Bit":           "fluent-bit",
		"iPXE/1.21.1":          "ipxe",
	} {
		if got := clientFamily(agent); got != want {
			t.Errorf("%q is of %s, want %s", agent, got, want)
		}
	}
}

func TestDHCPMessage(t *testing.T) {
	for _, name := range []string{"DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPDECLINE", "DHCPACK", "DHCPNAK", "DHCPRELEASE", "DHCPINFORM"} {
		if got := dhcpMessage(name); got != name {
			t.Errorf("%s counts as %s", name, got)
		}
	}
	if got := dhcpMessage("DHCPFORGED"); got != "other" {
		t.Errorf("an unknown message counts as %s", got)
	}
}

// Failures of each document begin at zero.
func TestDocuments(t *testing.T) {
	text := scrape(t, New(sources()))
	for _, name := range []string{"user-data", "vendor-data", "vendor_data.json"} {
		if want := `mdserver_renders_total{document="` + name + `",result="failed"} 0`; !strings.Contains(text, want) {
			t.Errorf("there is no line %s", want)
		}
	}
}
