//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"net/netip"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/report"
	"mdserver/internal/userdata/multipart"
)

//go:embed joined.py
var readAsCloudInit string

// forms are those that user-data and vendor-data can have.
var forms = map[string]string{
	"cloud-config": "#cloud-config\nruncmd: [a]\n",
	"script":       "#!/bin/sh\necho Grüße\n",
	"jinja":        "## template: jinja\n#cloud-config\nruncmd: [{{ v1.region }}]\n",
	"boothook":     "#cloud-boothook\necho a\n",
	"archive":      "#cloud-config-archive\n- type: text/cloud-config\n  content: |\n    runcmd: [a]\n- '#!/bin/sh'\n",
	"part-handler": "#part-handler\ndef list_types(): return []\n",
	"jsonp":        "#cloud-config-jsonp\n[{\"op\": \"add\", \"path\": \"/runcmd\", \"value\": [\"a\"]}]\n",
	"include":      "#include\nfile:///etc/debian_version\n",
	"merge_how": "#cloud-config\nmerge_how: dict(no_replace, recurse_list)+list(append)+str(append)\n" +
		"runcmd: [a]\nreporting: {own: {type: log}}\n",
	"merge_type":        "#cloud-config\nmerge_type: [{name: list, settings: [prepend]}, {name: dict, settings: [replace]}]\nwrite_files: [{path: /a}]\n",
	"own reporting":     "#cloud-config\nreporting: {mdserver: {type: webhook, endpoint: 'http://192.0.2.1/'}}\n",
	"no reporting":      "#cloud-config\nreporting: {mdserver: null}\n",
	"own phone_home":    "#cloud-config\nphone_home: {url: 'http://192.0.2.1/', post: [hostname]}\n",
	"message":           "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/cloud-config\n\nruncmd: [a]\n--x\nContent-Type: text/cloud-config\nMerge-Type: list(append)+dict(recurse_list)+str()\n\nruncmd: [b]\n--x\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n--x--\n",
	"message, one part": "Content-Type: text/cloud-config\nMIME-Version: 1.0\n\n#cloud-config\nruncmd: [a]\n",
	"blank lines first": "\n\n#cloud-config\nruncmd: [a]\n",
}

// asRead is what joined.py says of user-data.
type asRead struct {
	Parts  [][2]string
	Config map[string]any
}

// cloud-init reads the same of user-data with what makes it report as of user-data
// alone, and what makes it report besides.
func TestCloudInitReadsJoinedData(t *testing.T) {
	t.Parallel()
	added := report.Parts(netip.MustParseAddrPort("169.254.169.254:80"))
	data := map[string][]byte{}
	for name, text := range forms {
		for suffix, body := range map[string][]byte{"": []byte(text), ", compressed": compressed(t, text)} {
			if !multipart.Known(body, 1<<20) {
				t.Errorf("%s%s is not known", name, suffix)
			}
			joined, err := multipart.Join(append([]multipart.Part{{Name: "user-data", Body: body}}, added...), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			data[name+suffix], data[name+suffix+" joined"] = body, joined
		}
	}
	for release, root := range map[string]string{"12": chroot(t), "13": built(t, "../../scripts/build-cloud-init", "trixie")} {
		t.Run(release, func(t *testing.T) { checkJoined(t, readIn(t, root, data), added) })
	}
}

func compressed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readIn reads user-data by the cloud-init of a root file system.
func readIn(t *testing.T, root string, data map[string][]byte) map[string]asRead {
	t.Helper()
	input, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(suite.ctx, "unshare", "--mount", "--net", "sh", "-c", `mount -t tmpfs lab "$0/tmp" && exec chroot "$0" python3 -B -c "$1"`, root, readAsCloudInit)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var read map[string]asRead
	if err := json.Unmarshal(out, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func checkJoined(t *testing.T, read map[string]asRead, added []multipart.Part) {
	t.Helper()
	for name := range forms {
		for _, name := range []string{name, name + ", compressed"} {
			alone, joined := read[name], read[name+" joined"]
			if len(joined.Parts) != len(alone.Parts)+len(added) {
				t.Errorf("%s: %d parts became %d", name, len(alone.Parts), len(joined.Parts))
				continue
			}
			if diff := cmp.Diff(alone.Parts, joined.Parts[:len(alone.Parts)]); diff != "" {
				t.Errorf("%s (-alone +joined):\n%s", name, diff)
			}
			checkConfig(t, name, alone.Config, joined.Config)
		}
	}
}

// checkConfig checks that a config sets what it set alone, and that cloud-init
// reports unless it says something else itself.
func checkConfig(t *testing.T, name string, alone, joined map[string]any) {
	t.Helper()
	own, _ := alone["reporting"].(map[string]any)
	reporting, _ := joined["reporting"].(map[string]any)
	if theirs, set := own["mdserver"]; set {
		// what they do not set may be ours
		wants, _ := theirs.(map[string]any)
		has, _ := reporting["mdserver"].(map[string]any)
		for key, want := range wants {
			if has[key] != want {
				t.Errorf("%s: reporting.mdserver.%s is %v, want %v", name, key, has[key], want)
			}
		}
		if theirs == nil && reporting["mdserver"] != nil {
			t.Errorf("%s: %v reports", name, reporting)
		}
	} else if has, _ := reporting["mdserver"].(map[string]any); has["type"] != "webhook" {
		t.Errorf("%s: %v does not report", name, joined)
	}
	delete(own, "mdserver")
	delete(reporting, "mdserver")
	for _, config := range []map[string]any{alone, joined} {
		if r, _ := config["reporting"].(map[string]any); len(r) == 0 {
			delete(config, "reporting")
		}
	}
	if diff := cmp.Diff(alone, joined); len(alone)+len(joined) > 0 && diff != "" {
		t.Errorf("%s (-alone +joined):\n%s", name, diff)
	}
}
