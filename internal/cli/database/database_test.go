package database

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/view"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
)

// guest returns guest number n.
func guest(n int, changes ...func(*instance.Instance)) instance.Instance {
	g := instance.Instance{
		Name: fmt.Sprintf("web%d", n), Hostname: fmt.Sprintf("web%d", n), ID: fmt.Sprintf("i-%d", n), UUID: uuid.UUID{1, byte(n)}, Network: "mds",
		MAC: instance.MAC{0x52, 0x54, 0, 0, 0, byte(n)}, IPv4: netip.AddrFrom4([4]byte{10, 122, 0, byte(n)}), LastUpdate: time.Unix(int64(n), 0).UTC(),
	}
	for _, change := range changes {
		change(&g)
	}
	return g
}

// here changes to a new directory with the configuration of a host without a server. If there
// are guests, it makes a database with them and an address in quarantine.
func here(t *testing.T, guests ...instance.Instance) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv(command.EnvConfig, "mdserver.conf")
	t.Setenv(command.EnvSocket, "")
	configure(t, "")
	if len(guests) > 0 {
		put(t, "mdserver.db", guests...)
	}
}

func configure(t *testing.T, more string) {
	t.Helper()
	text := "[mdserver]\ndatabase = mdserver.db\nidentity = identity.pem\nsocket = sock\n" + more + "\n[dnsmasq]\nnet_address = 10.122.0.0\n"
	if err := os.WriteFile("mdserver.conf", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// put writes guests, and an address in quarantine, into a database.
func put(t *testing.T, path string, guests ...instance.Instance) {
	t.Helper()
	db, err := boltstore.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rest := instance.Resting{Addr: netip.MustParseAddr("10.122.0.99"), UUID: uuid.UUID{9}, Since: time.Unix(9, 0).UTC()}
	if err := db.Apply(t.Context(), []instance.Change{{Put: guests, Rest: []instance.Resting{rest}}}); err != nil {
		t.Fatal(err)
	}
}

// do runs a command, and returns what it prints and its error.
func do(t *testing.T, cmd *cobra.Command, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t, cmd, &out, args...)
	return out.String(), err
}

func run(t *testing.T, cmd *cobra.Command, out io.Writer, args ...string) error {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetIn(strings.NewReader(""))
	cmd.SetOut(out)
	cmd.SetErr(out)
	cmd.SetArgs(args)
	return cmd.ExecuteContext(t.Context())
}

// serve starts a server at the configured socket that answers all requests with one handler.
func serve(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	listener, err := net.Listen("unix", "sock")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
}

func refuse(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, `{"error": "the disk is full"}`, http.StatusInternalServerError)
}

// dates matches the parts of the output that differ each time.
var dates = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+|\d{8}T\d{6}[.\d]*Z|of \S+, DATE`)

func undated(text string) string {
	text = dates.ReplaceAllString(text, "DATE")
	return dates.ReplaceAllString(text, "of HOST, DATE")
}

// TestBackupOfAServer checks that no command bypasses a server, even one that answers with errors.
func TestBackupOfAServer(t *testing.T) {
	t.Run("it fails", func(t *testing.T) {
		here(t, guest(1))
		serve(t, refuse)
		out, err := do(t, BackupCommand(), "a.backup")
		if err == nil || err.Error() != "the disk is full" || out != "" {
			t.Errorf("%v, printed %q", err, out)
		}
	})
	t.Run("its backup is damaged", func(t *testing.T) {
		here(t, guest(1))
		serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "half a backup") })
		for _, to := range []string{"a.backup", "-"} {
			out, err := do(t, BackupCommand(), to)
			if err == nil || !errors.Is(err, backup.ErrForeign) || !strings.HasPrefix(err.Error(), "nothing is written: ") || out != "" {
				t.Errorf("to %s: %v, printed %q", to, err, out)
			}
		}
		if _, err := os.Stat("a.backup"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a.backup was written: %v", err)
		}
	})
	t.Run("restore compares with the server, not with its database", func(t *testing.T) {
		here(t, guest(1))
		if _, err := do(t, BackupCommand(), "a.backup"); err != nil {
			t.Fatal(err)
		}
		serve(t, refuse)
		out, err := do(t, RestoreCommand(), "--dry-run", "a.backup")
		if err != nil || !strings.HasSuffix(out, "\nthe present database cannot be compared: the disk is full\nadded: web1\n") {
			t.Errorf("%v, printed %q", err, out)
		}
	})
	t.Run("restore refuses without asking while the server runs", func(t *testing.T) {
		here(t, guest(1))
		if _, err := do(t, BackupCommand(), "a.backup"); err != nil {
			t.Fatal(err)
		}
		serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
		if out, err := do(t, RestoreCommand(), "a.backup"); !errors.Is(err, errRunning) || strings.Contains(out, "kept") {
			t.Errorf("%v, printed %q", err, out)
		}
	})
}

// TestBackupTo checks that a backup goes to a file, a pipe or standard output, but no terminal.
func TestBackupTo(t *testing.T) {
	here(t, guest(1), guest(2))
	terminal, _ := outputtest.NewTerminal(t)
	if err := run(t, BackupCommand(), terminal, "-"); exit.Code(err) != exit.Usage || !strings.HasPrefix(err.Error(), "a backup contains secrets") {
		t.Errorf("to a terminal: %v", err)
	}
	out, err := do(t, BackupCommand(), "-")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := backup.Read(strings.NewReader(out)); err != nil || b.Header.Guests != 2 || b.Header.Resting != 1 {
		t.Errorf("on standard output: %v", err)
	}

	if err := os.WriteFile("a.backup", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err = do(t, BackupCommand(), "a.backup")
	if want := "a.backup: 2 guests and 1 address in quarantine of HOST, DATE\n"; err != nil || undated(out) != want {
		t.Errorf("%v, printed %q, want %q", err, undated(out), want)
	}
	if info, err := os.Stat("a.backup"); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	if err := syscall.Mkfifo("pipe", 0o640); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := backup.ReadFile("pipe")
		read <- err
	}()
	if out, err := do(t, BackupCommand(), "pipe"); err != nil || out != "" {
		t.Errorf("into a pipe: %v, printed %q", err, out)
	}
	if err := <-read; err != nil {
		t.Errorf("from the pipe: %v", err)
	}
	if info, err := os.Stat("pipe"); err != nil || info.Mode() != os.ModeNamedPipe|0o640 {
		t.Errorf("the pipe is %v, %v", info.Mode(), err)
	}
}

// TestRestore checks what a restore changes, and what it keeps.
func TestRestore(t *testing.T) {
	renamed := func(g *instance.Instance) { g.Name = "new2" }
	away := func(g *instance.Instance) { g.IPv4 = netip.MustParseAddr("192.0.2.4") }
	const (
		what    = "a.backup: 3 guests and 1 address in quarantine of HOST, DATE\n"
		done    = "restored mdserver.db; start the server: systemctl start mdserver\n"
		kept    = "kept: mdserver.db.replaced-DATE\n"
		changes = "added: web3\nadded: web4\nremoved: web1\nchanged: web2\n"
		misfit  = "does not fit: web4: its address 192.0.2.4 is outside the network \"mds\"\n"
	)
	for _, tt := range []struct {
		name    string
		present []instance.Instance
		more    string // of the configuration
		args    string
		want    string
		reasons []backup.Reason // of the snapshots, the newest first
	}{
		{"a dry run", []instance.Instance{guest(1), guest(2, renamed)}, "", "--dry-run", what + changes + misfit, nil},
		{"with the usual snapshots", []instance.Instance{guest(1), guest(2, renamed)}, "", "--yes", what + changes + misfit + kept + done, []backup.Reason{backup.Restored, backup.BeforeRestore}},
		{"without snapshots", []instance.Instance{guest(1), guest(2, renamed)}, "snapshots = 0", "--yes", what + changes + misfit + kept + done, nil},
		{"with one snapshot", []instance.Instance{guest(1), guest(2, renamed)}, "snapshots = 1", "--yes", what + changes + misfit + kept + done,
			[]backup.Reason{backup.Restored}},
		{"a dry run with the same guests", []instance.Instance{guest(2), guest(3), guest(4, away)}, "", "--dry-run", what + misfit, nil},
		{"into a database without guests", []instance.Instance{}, "", "--yes", what + "added: web2\nadded: web3\nadded: web4\n" + misfit + kept + done, []backup.Reason{backup.Restored}},
		{"without a database", nil, "", "--yes", what + "added: web2\nadded: web3\nadded: web4\n" + misfit + done, []backup.Reason{backup.Restored}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			here(t, guest(2), guest(3), guest(4, away))
			if _, err := do(t, BackupCommand(), "a.backup"); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"mdserver.db", "mdserver.db.mark"} {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
			if tt.present != nil {
				put(t, "mdserver.db", tt.present...)
			}
			configure(t, tt.more)
			before, _ := os.ReadFile("mdserver.db") // there may be none
			out, err := do(t, RestoreCommand(), tt.args, "a.backup")
			if diff := cmp.Diff(tt.want, undated(out)); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
			if after, _ := os.ReadFile("mdserver.db"); tt.args == "--dry-run" && !bytes.Equal(before, after) {
				t.Error("a dry run has changed the database")
			}
			if diff := cmp.Diff(tt.reasons, reasons(t)); diff != "" {
				t.Errorf("snapshots: %s", diff)
			}
		})
	}
}

// reasons lists the reasons of the snapshots, the newest first.
func reasons(t *testing.T) (list []backup.Reason) {
	t.Helper()
	all, err := backup.Snapshots("mdserver.db")
	must(t, err)
	for _, s := range all {
		list = append(list, s.Reason)
	}
	return list
}

// TestRestoreKeepsSnapshots checks that a restore makes two snapshots and obeys the limit.
func TestRestoreKeepsSnapshots(t *testing.T) {
	here(t, guest(1))
	configure(t, "snapshots = 3")
	for hours := range 3 {
		b, err := backup.FromFiles(t.Context(), backup.Files{Database: "mdserver.db", Identity: "identity.pem"}, "kvm1", "1")
		must(t, err)
		b.Header.Created, b.Header.Reason = time.Now().Add(time.Duration(hours-9)*time.Hour), backup.Daily
		must(t, backup.Save("mdserver.db", b, 3))
	}
	_, err := do(t, BackupCommand(), "a.backup")
	must(t, err)
	_, err = do(t, RestoreCommand(), "--yes", "a.backup")
	must(t, err)
	if diff := cmp.Diff([]backup.Reason{backup.Restored, backup.BeforeRestore, backup.Daily}, reasons(t)); diff != "" {
		t.Error(diff)
	}
}

func TestSnapshotSheet(t *testing.T) {
	s := snapshotSheet([]backup.Snapshot{
		{Path: "/a", Created: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Size: 4096, Reason: backup.Daily},
		{Path: "/b", Created: time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC), Size: 17},
	})
	const want = "FILE  CREATED               BYTES  REASON\n/a    2026-03-01T12:00:00Z  4096   daily\n/b    2026-02-01T12:00:00Z  17     -\n"
	var out strings.Builder
	if err := s.Print(&out, view.FormatTable, true); err != nil || out.String() != want {
		t.Errorf("%v\n%swant\n%s", err, &out, want)
	}
}

// damage changes a byte in the record of the guest with the gadget.
func damage(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile("mdserver.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("mdserver.db", bytes.ReplaceAll(content, []byte("gadget1"), []byte("gadgetx")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func gadget(g *instance.Instance) { g.Metadata.Values = map[string]string{"rack": "gadget1"} }

// TestCheck checks that the exit code tells a damaged database from one that cannot be read.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T)
		args    []string
		want    string // what is printed, or the beginning of the error
		code    int
	}{
		{"sound", nil, nil, "mdserver.db: 2 guests and 1 address in quarantine are sound, 0 findings\n", 0},
		{"a copy", func(t *testing.T) { put(t, "copy.db", guest(1)) }, []string{"copy.db"},
			"copy.db: 1 guest and 1 address in quarantine are sound, 0 findings\n", 0},
		{"a damaged record", damage, nil,
			"damaged: bucket \"instances\", key 01010000000000000000000000000000: its checksum is wrong\nmdserver.db: 1 guest and 1 address in quarantine are sound, 1 finding\n", exit.Failure},
		{"an unreadable file of records that were set aside", func(t *testing.T) {
			if err := os.WriteFile("mdserver.db.damaged-20261128T120000.000000Z.json", []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, "damaged: read the records that were set aside in mdserver.db.damaged-20261128T120000.000000Z.json: ", exit.Failure},
		{"no database", func(t *testing.T) { must(t, os.Remove("mdserver.db.mark"), os.Remove("mdserver.db")) }, nil,
			"stat mdserver.db: ", exit.Unreadable},
		{"an empty file", func(t *testing.T) { must(t, os.Truncate("mdserver.db", 0)) }, nil,
			"damaged: open the inventory mdserver.db: the database is missing or empty\nmdserver.db: 0 guests and 0 addresses in quarantine are sound, 1 finding\n", exit.Failure},
		{"a file that is no database", nil, []string{"mdserver.conf"}, "damaged: open the inventory mdserver.conf: it is damaged", exit.Failure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			here(t, guest(1, gadget), guest(2))
			if tt.prepare != nil {
				tt.prepare(t)
			}
			got, err := do(t, checkCommand(), tt.args...)
			if err != nil {
				got += err.Error()
			}
			if !strings.HasPrefix(got, tt.want) || exit.Code(err) != tt.code {
				t.Errorf("exit code %d\n%s\nwant %d\n%s", exit.Code(err), got, tt.code, tt.want)
			}
		})
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestPrintDatabase(t *testing.T) {
	withheld := storage.Withheld{Name: "web1", Hostname: "host1", Addrs: []netip.Addr{netip.MustParseAddr("10.122.0.1")}, File: "/aside"}
	for name, tt := range map[string]struct {
		report databaseReport
		wrong  bool
		want   string
	}{
		"sound": {databaseReport{File: "/db", Guests: 2, Resting: 3, Whole: true}, false, "/db: 2 guests and 3 addresses in quarantine are sound, 0 findings\n"},
		"damaged and whole": {databaseReport{File: "/db", Guests: 2, Findings: []string{"a page"}, Whole: true}, false,
			"damaged: a page\nnothing is lost: the next start serves all guests, and keeps a copy of the damaged file\n/db: 2 guests and 0 addresses in quarantine are sound, 1 finding\n"},
		"damaged": {databaseReport{File: "/db", Findings: []string{"a page", "a record"}}, true,
			"damaged: a page\ndamaged: a record\n/db: 0 guests and 0 addresses in quarantine are sound, 2 findings\n"},
		"set aside": {databaseReport{File: "/db", Whole: true, Aside: []string{"/aside"}, Withheld: []storage.Withheld{withheld}}, false,
			"set aside before: /aside\nreserved: addresses [10.122.0.1] and host name \"host1\" of the guest \"web1\", whose record was set aside in /aside\n" +
				"/db: 0 guests and 0 addresses in quarantine are sound, 0 findings\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := printDatabase(&out, tt.report); err != nil || out.String() != tt.want {
				t.Errorf("%v\n%swant\n%s", err, &out, tt.want)
			}
			if databaseView.Wrong(tt.report) != tt.wrong {
				t.Errorf("wrong is %v", !tt.wrong)
			}
		})
	}
}

// TestSalvage checks what salvage prints of a database, before and after it replaces the file.
func TestSalvage(t *testing.T) {
	const (
		all     = "mdserver.db: 2 guests are sure, 0 are likely, 0 versions are uncertain\nmdserver.db: 1 address in quarantine is sure, 0 are likely, 0 versions are uncertain\nmdserver.db: 0 notes are sure, 0 are likely, 0 versions are uncertain\n"
		replace = "kept: mdserver.db.replaced-DATE\nsalvaged mdserver.db; start the server: systemctl start mdserver\n"
	)
	t.Run("a sound database", func(t *testing.T) {
		here(t, guest(1), guest(2))
		snapshot(t)
		before, _ := os.ReadFile("mdserver.db")
		out, err := do(t, salvageCommand(), "--dry-run")
		if err != nil || out != all {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err := do(t, salvageCommand()); exit.Code(err) != exit.Usage || out != all {
			t.Errorf("without an answer: %v\n%s", err, out)
		}
		if after, _ := os.ReadFile("mdserver.db"); !bytes.Equal(before, after) {
			t.Error("the database has changed")
		}
		out, err = do(t, salvageCommand(), "--yes")
		if err != nil || undated(out) != all+replace {
			t.Errorf("%v\n%s", err, undated(out))
		}
	})
	t.Run("one record is damaged, and there is a snapshot", func(t *testing.T) {
		here(t, guest(1, gadget), guest(2))
		saved := snapshot(t)
		damage(t)
		out, err := do(t, salvageCommand(), "--dry-run", "mdserver.db")
		if exit.Code(err) != exit.Failure || err.Error() != "" || !strings.HasPrefix(out, "problem: ") ||
			!strings.Contains(out, "\nlikely: guest web2, uuid 01020000-0000-0000-0000-000000000000, last changed 1970-01-01T00:00:02Z\n") ||
			!strings.HasSuffix(out, "\nthe newest snapshot that can be restored instead: "+saved+"\n") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// snapshot makes a snapshot of the database and returns its name.
func snapshot(t *testing.T) string {
	t.Helper()
	b, err := backup.FromFiles(t.Context(), backup.Files{Database: "mdserver.db", Identity: "identity.pem"}, "kvm1", "1")
	must(t, err)
	must(t, backup.Save("mdserver.db", b, 1))
	return backup.NewestSound("mdserver.db")
}

func TestPrintSalvage(t *testing.T) {
	record := func(kind, name string, certainty boltstore.Certainty) salvagedRecord {
		return salvagedRecord{kind, name, "u-1", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), certainty}
	}
	r := salvageReport{
		File: "/db", Guests: salvageCount{1, 2, 3}, Resting: salvageCount{4, 5, 6}, Notes: salvageCount{7, 8, 9}, Problems: []string{"a page"},
		Records:  []salvagedRecord{record("guest", "web1", boltstore.Sure), record("guest", "web2", boltstore.Likely), record("resting", "10.0.0.1", boltstore.Uncertain)},
		Snapshot: "/snapshot", Kept: "/kept", Aside: "/aside",
	}
	const found = "problem: a page\nlikely: guest web2, uuid u-1, last changed 2026-03-01T12:00:00Z\nuncertain: resting 10.0.0.1, uuid u-1, last changed 2026-03-01T12:00:00Z\n" +
		"/db: 1 guest is sure, 2 are likely, 3 versions are uncertain\n/db: 4 addresses in quarantine are sure, 5 are likely, 6 versions are uncertain\n" +
		"/db: 7 notes are sure, 8 are likely, 9 versions are uncertain\nthe newest snapshot that can be restored instead: /snapshot\n"
	for replaced, want := range map[bool]string{false: found, true: found + "set aside: /aside\nkept: /kept\nsalvaged /db; start the server: systemctl start mdserver\n"} {
		var out strings.Builder
		r.Replaced = replaced
		if err := printSalvage(&out, r); err != nil || out.String() != want {
			t.Errorf("replaced %v: %v\n%swant\n%s", replaced, err, &out, want)
		}
	}
	if !salvageView.Wrong(r) || salvageView.Wrong(salvageReport{Sound: true}) {
		t.Error("salvageView.Wrong does not tell a sound database from a damaged one")
	}
}

// TestCompact checks that compact frees the space of removed guests and keeps the former file.
func TestCompact(t *testing.T) {
	var many []instance.Instance
	for n := range 200 {
		many = append(many, guest(n))
	}
	here(t, many...)
	db, err := boltstore.Open("mdserver.db", slog.New(slog.DiscardHandler))
	must(t, err)
	var gone []uuid.UUID
	for _, g := range many[1:] {
		gone = append(gone, g.UUID)
	}
	must(t, db.Apply(t.Context(), []instance.Change{{Delete: gone}}), db.Close())
	former, err := os.ReadFile("mdserver.db")
	must(t, err)
	must(t, os.WriteFile("copy.db", former, 0o600))

	r, err := compact("copy.db")
	must(t, err)
	kept, err := os.ReadFile(r.Kept)
	must(t, err)
	info, err := os.Stat("copy.db")
	must(t, err)
	if r.File != "copy.db" || r.Before != int64(len(former)) || r.After != info.Size() || r.After >= r.Before || !bytes.Equal(kept, former) {
		t.Errorf("%+v, with %d bytes before and %d after", r, len(former), info.Size())
	}
	var out strings.Builder
	if err := compactView.Text(&out, compactReport{File: "/db", Before: 20, After: 10, Kept: "/kept"}); err != nil || out.String() != "kept: /kept\n/db: 10 bytes, before 20\n" {
		t.Errorf("%v, %s", err, &out)
	}
	for file, code := range map[string]int{filepath.Join("none", "a.db"): exit.Unreadable, "mdserver.conf": exit.Unreadable} {
		if _, err := do(t, compactCommand(), file); exit.Code(err) != code {
			t.Errorf("%s: %v", file, err)
		}
	}
}
