package inventory

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/document"
)

// do runs a command on a host without a server.
func do(t *testing.T, cmd *cobra.Command, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	t.Setenv(command.EnvSocket, filepath.Join(t.TempDir(), "none"))
	var out, notes bytes.Buffer
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&notes)
	cmd.SetArgs(append([]string{}, args...)) // nil would mean the arguments of the test
	err = cmd.ExecuteContext(t.Context())
	return out.String(), notes.String(), err
}

func TestReadQuery(t *testing.T) {
	const accepted = `accepted: a JSON object such as {"name": "web1"}, with "wait_for" and "timeout" if it is to wait`
	long := `{"name": "` + strings.Repeat("n", maxQuery-len(`{"name": ""}`)) + `"}`
	for name, tt := range map[string]struct {
		text string
		want terraformQuery
		err  string
	}{
		"a guest":          {`{"name": "web1"}`, terraformQuery{"web1", "", 5 * time.Minute}, ""},
		"wait":             {`{"name": "web1", "wait_for": "ready"}`, terraformQuery{"web1", "ready", 5 * time.Minute}, ""},
		"wait for a while": {`{"timeout": "90s", "name": "web1", "wait_for": "lease"}`, terraformQuery{"web1", "lease", 90 * time.Second}, ""},
		"do not wait long": {`{"timeout": "0s", "name": "web1", "wait_for": "ssh"}`, terraformQuery{"web1", "ssh", 0}, ""},
		"a negative time":  {`{"timeout": "-1s", "name": "web1", "wait_for": "ssh"}`, terraformQuery{}, `timeout: "-1s", accepted: a duration such as 90s or 5m`},
		"a number":         {`{"timeout": "90", "name": "web1", "wait_for": "ssh"}`, terraformQuery{}, `timeout: "90", accepted: a duration such as 90s or 5m`},
		"a time alone":     {`{"timeout": "90s", "name": "web1"}`, terraformQuery{}, "timeout without wait_for, " + accepted},
		"wait until it is gone": {`{"name": "web1", "wait_for": "gone"}`, terraformQuery{},
			`wait_for: "gone", accepted: registered, lease, metadata, ssh, ready`},
		"no condition":      {`{"name": "web1", "wait_for": ""}`, terraformQuery{}, `wait_for: "", accepted: registered, lease, metadata, ssh, ready`},
		"no name":           {`{"wait_for": "ready"}`, terraformQuery{}, "no name, " + accepted},
		"an empty name":     {`{"name": ""}`, terraformQuery{}, "no name, " + accepted},
		"an unknown key":    {`{"name": "web1", "Name": "web2"}`, terraformQuery{}, `unknown key "Name", ` + accepted},
		"no text":           {`{"name": 1}`, terraformQuery{}, "json: cannot unmarshal number into Go value of type string, " + accepted},
		"nothing":           {"", terraformQuery{}, "unexpected end of JSON input, " + accepted},
		"the longest query": {long, terraformQuery{long[len(`{"name": "`) : len(long)-2], "", 5 * time.Minute}, ""},
		"a query too long":  {long + " ", terraformQuery{}, "longer than 65536 bytes, " + accepted},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readQuery(strings.NewReader(tt.text))
			if text := fmt.Sprint(err); err != nil && text != tt.err || err == nil && tt.err != "" {
				t.Errorf("error %v, want %s", err, tt.err)
			}
			if err == nil && got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestFlat checks that Terraform gets all keys, with the first address of each family.
func TestFlat(t *testing.T) {
	guest := api.Guest{State: api.Running, Instance: instance.Instance{
		Name: "web1", Hostname: "host1", ID: "i-1", UUID: uuid.UUID{1}, Network: "mds", MAC: instance.MAC{0x52, 0x54, 0, 0, 0, 1},
		IPv4: netip.MustParseAddr("10.122.0.7"), IPv6: netip.MustParseAddr("fd00::7"),
		Further:  []instance.Attachment{{Network: "lan", MAC: instance.MAC{2}, IPv4: netip.MustParseAddr("10.50.0.7"), IPv6: netip.MustParseAddr("fd50::7")}},
		Metadata: instance.Metadata{Tags: map[string]string{"role": "web", "rack": ""}},
	}}
	want := map[string]string{
		"name": "web1", "hostname": "host1", "uuid": "01000000-0000-0000-0000-000000000000", "instance_id": "i-1", "state": "running", "network": "mds",
		"mac": "52:54:00:00:00:01", "ipv4": "10.122.0.7", "ipv6": "fd00::7", "tag_role": "web", "tag_rack": "",
	}
	if diff := cmp.Diff(want, flat(guest)); diff != "" {
		t.Error(diff)
	}
	guest.IPv4, guest.IPv6, guest.Further, guest.Metadata.Tags = netip.Addr{}, netip.Addr{}, nil, nil
	want["ipv4"], want["ipv6"] = "", ""
	delete(want, "tag_role")
	delete(want, "tag_rack")
	if diff := cmp.Diff(want, flat(guest)); diff != "" {
		t.Errorf("without addresses and tags: %s", diff)
	}
}

// TestInventoryFlags checks that flags which exclude each other fail before any request.
func TestInventoryFlags(t *testing.T) {
	const one, alone, which = "choose one of --ansible and --terraform", "--terraform takes no other flags: the query on standard input names the guest", "choose one of --list and --host"
	for args, want := range map[string]string{
		"":                               one,
		"--list":                         one,
		"--ansible --terraform":          one,
		"--terraform --list":             alone,
		"--terraform --host web1":        alone,
		"--terraform --state running":    alone,
		"--terraform --network mds":      alone,
		"--terraform -l role=web":        alone,
		"--ansible --list --host web1":   which,
		"--ansible --host web1 --list=0": "",
		"--ansible":                      "",
		"--terraform":                    "",
	} {
		_, _, err := do(t, Command(), `{"name": "web1"}`, strings.Fields(args)...)
		switch {
		case want == "" && exit.Code(err) != exit.Unreachable:
			t.Errorf("%s: %v, want a request to the server", args, err)
		case want != "" && (exit.Code(err) != exit.Usage || err.Error() != want):
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
	if _, _, err := do(t, Command(), "{}", "--terraform"); exit.Code(err) != exit.Usage || !strings.HasPrefix(err.Error(), "query on standard input: no name, ") {
		t.Errorf("a query that names no guest: %v", err)
	}
}

// TestAnsibleHost checks that ansibleHost prefers a guest's host name to the name of another guest.
func TestAnsibleHost(t *testing.T) {
	named := func(name, hostname string) api.Guest {
		return api.Guest{Instance: instance.Instance{Name: name, Hostname: hostname}}
	}
	guest, err := ansibleHost(nil, nil, []api.Guest{named("db", "db1"), named("a", "web"), named("web", "b")}, "web")
	if err != nil || guest.Name != "a" {
		t.Errorf("%+v, %v", guest, err)
	}
}

func TestPrintImported(t *testing.T) {
	all := api.Imported{
		Added: []string{"a", "b", "c"}, Replaced: []string{"d", "e"}, Unchanged: 4, Resting: 5, Warning: "no snapshot was made",
		Skipped: []api.Skipped{{Name: "web1", UUID: "u-1", Reason: "the guest exists"}},
	}
	const want = "skipped: web1, uuid u-1: the guest exists\nwarning: no snapshot was made\n" +
		"3 guests added, 2 replaced, 4 unchanged, 1 skipped; 5 addresses in quarantine\n"
	var out strings.Builder
	if err := printImported(&out, all); err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, &out)
	}
	if !importView.Wrong(all) {
		t.Error("importView.Wrong is false for a skipped guest")
	}
	if all.Skipped = nil; importView.Wrong(all) {
		t.Error("importView.Wrong is true for a warning alone")
	}
}

// TestImportReads checks that import checks a document before it asks the server, and names the
// guests that fit no network.
func TestImportReads(t *testing.T) {
	t.Chdir(t.TempDir())
	guest := instance.Instance{Name: "web1", Hostname: "web1", ID: "i-1", UUID: uuid.UUID{1}, MAC: instance.MAC{2}, Network: "mds", IPv4: netip.MustParseAddr("192.0.2.7")}
	var text bytes.Buffer
	if err := document.Write(&text, document.NewHeader("kvm1", "1"), instance.Table{Instances: []instance.Instance{guest}}); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"guests.json": text.String(), "other.json": "{}", "a.conf": "[dnsmasq]\nnet_address = 10.122.0.0\n", "b.conf": "[dnsmasq]\nnet_prefix = many\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const misfit = "does not fit: web1: its address 192.0.2.7 is outside the network \"mds\"\n"
	for _, tt := range []struct {
		name, conf, stdin, arg string
		code                   int
		want, notes            string // a part of the error, and the output on standard error
	}{
		{"a file", "a.conf", "", "guests.json", exit.Unreachable, "mdserver does not run", misfit},
		{"standard input", "a.conf", text.String(), "-", exit.Unreachable, "mdserver does not run", misfit},
		{"a file that is no export", "a.conf", "", "other.json", exit.Failure, "other.json: it is not an export", ""},
		{"no file", "a.conf", "", "none.json", exit.Unreadable, "open none.json: ", ""},
		{"a wrong configuration", "b.conf", "", "guests.json", exit.Unreadable, "b.conf:2: ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(command.EnvConfig, tt.conf)
			stdout, stderr, err := do(t, ImportCommand(), tt.stdin, tt.arg)
			if exit.Code(err) != tt.code || !strings.Contains(err.Error(), tt.want) || stderr != tt.notes || stdout != "" {
				t.Errorf("exit code %d, %v, printed %q and %q", exit.Code(err), err, stdout, stderr)
			}
		})
	}
}
