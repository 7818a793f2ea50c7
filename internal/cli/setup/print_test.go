package setup

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/view"
	"mdserver/internal/config"
	"mdserver/internal/doctor"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/install"
	"mdserver/internal/inventory/boltstore"
)

// installed returns a report with a line of each kind.
func installed() install.Report {
	page := func(action install.Action, name string) install.Change {
		return install.Change{Action: action, Name: "/man/" + name + ".8"}
	}
	return install.Report{
		Changes: []install.Change{
			{Action: install.Created, Name: "/bin/mdserver"}, page(install.Created, "mdserver"), page(install.Created, "mdserver-a"), page(install.Unchanged, "mdserver-b"),
			{Action: install.Kept, Name: "/man/own.8", Note: "you changed it"},
			{Action: install.Kept, Name: "/man/too.8", Note: "so you did"}, page(install.Created, "mdserver-c"), {Action: install.Done, Name: "systemctl daemon-reload"},
		},
		Findings: []install.Finding{{What: "the hook is yours", Commands: []string{"diff a b"}}},
		Next:     []install.Finding{{What: "start it", Commands: []string{"systemctl start mdserver", "mdserver status"}}, {What: "read on"}},
	}
}

// examined returns a report with a finding of each state.
func examined() doctor.Report {
	return doctor.Report{Findings: []finding.Finding{
		{Check: "bridge", State: finding.OK, Code: "", Text: "it is there"},
		{Check: "clock", State: finding.Warning, Code: "clock", Text: "it is\nwrong", Advice: []string{"wait", "or not"}},
		{Check: "port", State: finding.Wrong, Code: "port_used", Text: "it is used", Remedy: []string{"fuser 80/tcp", "kill 1"}},
		{Check: "hook", State: finding.Unknown, Text: "no rights"}, {Check: "dns", State: finding.Wrong, Text: "none"},
	}}
}

const (
	changes = `ACTION     FILE                     NOTE
created    /bin/mdserver            
created    /man/mdserver*.8         3 man pages
unchanged  /man/mdserver-b.8        
kept       /man/own.8               you changed it
kept       /man/too.8               so you did
done       systemctl daemon-reload  
`
	attention = "\nNeeds your attention:\n- the hook is yours\n    diff a b\n"
	next      = "\nNext:\n- start it\n    systemctl start mdserver\n    mdserver status\n- read on\n"
	findings  = `ok       bridge: it is there
warning  clock: it is; wrong
           - wait
           - or not
wrong    port: it is used
           fuser 80/tcp
           kill 1
unknown  hook: no rights
wrong    dns: none

2 wrong, 1 warning, 1 unknown, 1 ok
`
)

// TestPrintInstall checks that the next steps come last, even after the report of doctor.
func TestPrintInstall(t *testing.T) {
	report := installed()
	dry := installed()
	dry.DryRun = true
	bare := install.Report{Changes: report.Changes[:1]}
	for name, tt := range map[string]struct {
		print func(*bytes.Buffer) error
		want  string
	}{
		"installed":          {func(b *bytes.Buffer) error { return printInstall(b, &report) }, changes + attention + next},
		"a dry run":          {func(b *bytes.Buffer) error { return printInstall(b, &dry) }, "This is what would be done:\n" + changes + attention + next},
		"nothing more to do": {func(b *bytes.Buffer) error { return printInstall(b, &bare) }, "ACTION   FILE           NOTE\ncreated  /bin/mdserver  \n"},
		"started":            {func(b *bytes.Buffer) error { return printStarted(b, report, examined()) }, changes + attention + "\nmdserver doctor:\n" + findings + next},
	} {
		var out bytes.Buffer
		if err := tt.print(&out); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if len(report.Next) != 2 {
		t.Error("printing has changed the report")
	}
}

// TestFinishInstall checks that a failed installation prints what was done before its error.
func TestFinishInstall(t *testing.T) {
	failed := errors.New("disk full")
	for name, tt := range map[string]struct {
		report *install.Report
		err    error
		format string
		want   string // the beginning of what is printed
	}{
		"done":                  {&install.Report{}, nil, "table", "ACTION  FILE  NOTE\n"},
		"failed halfway":        {&install.Report{}, failed, "table", "ACTION  FILE  NOTE\n"},
		"failed at once":        {nil, failed, "table", ""},
		"for a program":         {&install.Report{DryRun: true}, nil, "json", "{\n  \"dry_run\": true,"},
		"failed, for a program": {&install.Report{}, failed, "json", "{\n  \"dry_run\": false,"},
	} {
		cmd := &cobra.Command{}
		view.Flags(cmd, false)
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := cmd.ParseFlags([]string{"-o", tt.format}); err != nil {
			t.Fatal(err)
		}
		if err := finishInstall(cmd, tt.report, tt.err); err != tt.err || !strings.HasPrefix(out.String(), tt.want) || tt.want == "" && out.Len() > 0 {
			t.Errorf("%s: %v, printed %q", name, err, &out)
		}
		if tt.report == nil {
			continue
		}
		full := errors.New("full")
		cmd.SetOut(brokenPipe{full})
		if err := finishInstall(cmd, tt.report, tt.err); tt.err == nil && !errors.Is(err, full) || tt.err != nil && err != tt.err {
			t.Errorf("%s, and the report cannot be printed: %v", name, err)
		}
	}
}

// brokenPipe cannot be written to.
type brokenPipe struct{ err error }

func (b brokenPipe) Write([]byte) (int, error) { return 0, b.err }

// TestStarted checks when an installation has started the server, and that the command then fails
// if a step failed or the host is not healthy.
func TestStarted(t *testing.T) {
	start, failed := &install.Start{}, errors.New("disk full")
	for _, tt := range []struct {
		opts install.Options
		err  error
		want bool
	}{
		{install.Options{Start: start}, nil, true},
		{install.Options{Start: start, DryRun: true}, nil, false},
		{install.Options{Start: start}, failed, false},
		{install.Options{}, nil, false},
	} {
		if got := isStarted(tt.opts, tt.err); got != tt.want {
			t.Errorf("%+v, %v: started is %v", tt.opts, tt.err, got)
		}
	}
	change := func(action install.Action) install.Report {
		return install.Report{Changes: []install.Change{{Action: install.Done}, {Action: action}}}
	}
	for _, tt := range []struct {
		action  install.Action
		healthy bool
		want    bool
	}{{install.Done, true, false}, {install.Skipped, true, false}, {install.Failed, true, true}, {install.Done, false, true}, {install.Failed, false, true}} {
		if got := startFailed(change(tt.action), doctor.Report{Healthy: tt.healthy}); got != tt.want {
			t.Errorf("%s, healthy %v: failed is %v", tt.action, tt.healthy, got)
		}
	}
}

func TestFindingSheet(t *testing.T) {
	want := [][]string{
		{"bridge", "ok", "", "it is there", "", ""}, {"clock", "warning", "clock", "it is; wrong", "wait; or not", ""},
		{"port", "wrong", "port_used", "it is used", "", "fuser 80/tcp; kill 1"}, {"hook", "unknown", "", "no rights", "", ""}, {"dns", "wrong", "", "none", "", ""},
	}
	if diff := cmp.Diff(want, findingSheet(examined().Findings).Rows); diff != "" {
		t.Error(diff)
	}
	if !doctorView.Wrong(examined()) || doctorView.Wrong(doctor.Report{Healthy: true}) {
		t.Error("doctorView.Wrong does not tell a healthy host from another one")
	}
	cmd := DoctorCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	t.Setenv("MDSERVER_CONFIG", filepath.Join(t.TempDir(), "none"))
	cmd.SetArgs([]string{})
	if err := cmd.Execute(); exit.Code(err) != exit.Unreadable || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a configuration: %v", err)
	}
}

// TestStartFlags checks that all keys are read, and that an unreadable file has its own exit code.
func TestStartFlags(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.pub": "ssh-rsa A\n", "b.pub": "ssh-rsa B\nssh-rsa C\n", "empty": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]string{
		"":                      "nothing",
		"--start":               "network , keys []",
		"--start --network mds": "network mds, keys []",
		"--start --key DIR/b.pub --key DIR/a.pub": "network , keys [ssh-rsa B ssh-rsa C ssh-rsa A]",
		"--network mds":           "exit code 2: --network and --key have an effect with --start only",
		"--key DIR/a.pub":         "exit code 2: --network and --key have an effect with --start only",
		"--start --key DIR/empty": "exit code 1: DIR/empty has no key",
		"--start --key DIR/none":  "exit code 3: read the SSH key: open DIR/none: no such file or directory",
	} {
		cmd := &cobra.Command{}
		read := startFlags(cmd)
		if err := cmd.ParseFlags(strings.Fields(strings.ReplaceAll(args, "DIR", dir))); err != nil {
			t.Fatal(err)
		}
		start, err := read()
		got := "nothing"
		switch {
		case err != nil:
			got = fmt.Sprintf("exit code %d: %v", exit.Code(err), err)
		case start != nil:
			got = fmt.Sprintf("network %s, keys %s", start.Network, start.Keys)
		}
		if got = strings.ReplaceAll(got, dir, "DIR"); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}

// TestWithdraw checks that withdraw removes mdserver's entries from the networks that the database
// notes, except those that are named.
func TestWithdraw(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Server.Database = filepath.Join(dir, "mdserver.db")
	cfg.Libvirt.URI.Socket = filepath.Join(dir, "none")
	if all, err := withdraw(t.Context(), cfg, nil); err != nil || len(all) > 0 {
		t.Errorf("without a database: %v, %v", all, err)
	}
	db, err := boltstore.Open(cfg.Server.Database, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"libvirt_network/lan", "libvirt_network/default", "libvirt_network/dmz", "other"} {
		err = errors.Join(err, db.SetNote(t.Context(), key, `{"entries": 1}`))
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for except, want := range map[string][]string{"": {"default", "dmz", "lan"}, "dmz": {"default", "lan"}} {
		all, err := withdraw(t.Context(), cfg, []string{except})
		var names []string
		for _, w := range all {
			names = append(names, w.Network)
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("except %q: %q, %v, want %q", except, names, err, want)
		}
	}
	if err := os.WriteFile(cfg.Server.Database, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := withdraw(t.Context(), cfg, nil); !errors.Is(err, boltstore.ErrDamaged) {
		t.Errorf("a damaged database: %v", err)
	}
}
