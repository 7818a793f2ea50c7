package configuration

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/config"
	"mdserver/internal/visible"
)

// problem is one of each kind of what a check finds.
var problem = &config.Problem{File: "b.conf", Line: 3, Key: "mdserver.port", Value: "x", Reason: "is no number", Accepted: "numbers"}

// TestNewCheckReport checks that each problem is listed, with its place if it has one, and that only
// what warns is a warning.
func TestNewCheckReport(t *testing.T) {
	warnings := []config.Warning{{Level: slog.LevelInfo, Text: "fine"}, {Level: slog.LevelWarn, File: "b.conf", Line: 4, Key: "a.b", Text: "careful"}, {Level: slog.LevelError, Text: "bad"}}
	plain := errors.New("plain")
	got := newCheckReport("a.conf", warnings, errors.Join(problem, errors.Join(plain, problem)))
	whole := finding{"b.conf", 3, "mdserver.port", "x", "is no number", "numbers", problem.Error()}
	want := checkReport{File: "a.conf", Problems: []finding{whole, {File: "a.conf", Text: "plain", whole: "plain"}, whole}, Upgrade: []finding{},
		Warnings: []finding{{File: "b.conf", Line: 4, Key: "a.b", Text: "careful", whole: warnings[1].String()}, {Text: "bad", whole: warnings[2].String()}}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(finding{})); diff != "" {
		t.Error(diff)
	}
	// For a program, nothing is an empty list.
	var out bytes.Buffer
	if err := output.JSONLine(&out, newCheckReport("a.conf", nil, nil)); err != nil || out.String() != `{"file":"a.conf","ok":true,"problems":[],"warnings":[],"upgrade":[]}`+"\n" {
		t.Errorf("%v, %s", err, &out)
	}
}

// checkedReport has a finding of each kind.
func checkedReport(ok bool) checkReport {
	return checkReport{File: "a.conf", OK: ok, Problems: []finding{{File: "a", Line: 1, Key: "k", Value: "v", Text: "t", Accepted: "acc", whole: "a problem"}},
		Warnings: []finding{{File: "b", Line: 2, Text: "u", whole: "a warning"}}, Upgrade: []finding{{Key: "l", Text: "w", whole: "a difference"}}}
}

func TestPrintCheckReport(t *testing.T) {
	const list = outputtest.Red + "error" + outputtest.Reset + ": a problem\n" + outputtest.Yellow + "warning" + outputtest.Reset + ": a warning\nupgrade: a difference\n"
	for ok, want := range map[bool]string{true: list + "a.conf: the configuration is valid\n", false: list} {
		var out bytes.Buffer
		s := &output.Screen{Writer: visible.Writer{W: &out}, Colored: true}
		if err := checkView.Text(s, checkedReport(ok)); err != nil || out.String() != want {
			t.Errorf("%v, %q, want %q", err, &out, want)
		}
		if checkView.Wrong(checkedReport(ok)) == ok {
			t.Errorf("valid is %v, and so is whether the command fails", ok)
		}
	}
	sheet := checkedReport(false).sheet()
	want := [][]string{{"error", "a", "1", "k", "t", "v", "acc"}, {"warning", "b", "2", "", "u", "", ""}, {"upgrade", "", "0", "l", "w", "", ""}}
	if diff := cmp.Diff(want, sheet.Rows) + cmp.Diff([]string{"k", "", "l"}, sheet.Names); diff != "" {
		t.Error(diff)
	}
}

// TestGet checks that one value is printed and nothing else, and which exit code each error has.
func TestGet(t *testing.T) {
	file := configText(t, "[mdserver]\nport = 8080\npassword = s3cret\n[network lab]\ninterface = br-lab\nnet_address = 10.9.0.0\n")
	t.Setenv(command.EnvConfig, "")
	for args, want := range map[string]struct {
		text string
		code int
	}{
		"mdserver.port":                        {"8080\n", 0},
		"network lab.interface":                {"br-lab\n", 0},
		"dnsmasq.quarantine":                   {"1h\n", 0}, // a default
		"mdserver.prot":                        {"", exit.NotFound},
		"mdserver":                             {"", exit.NotFound},
		"":                                     {"", exit.NotFound},
		"mdserver.port --json":                 {"", 0},
		"mdserver.port --config /none/a.conf":  {"", exit.Unreadable},
		"mdserver.port --config " + file + "x": {"", exit.Unreadable},
	} {
		name, flags, _ := strings.Cut(args, " --")
		words := []string{"get", "--config", file, name}
		if flags != "" {
			words = append(words, strings.Fields("--"+flags)...)
		}
		text, code := runConfig(t, words...)
		if code != want.code || want.text != "" && text != want.text {
			t.Errorf("%s: exit %d, %s, want %+v", args, code, text, want)
		}
	}
	if text, code := runConfig(t, "get", "--config", file, "mdserver.password"); strings.Contains(text, "s3cret") {
		t.Errorf("exit %d, and a secret is printed: %s", code, text)
	}
	if text, _ := runConfig(t, "get", "--config", file, "--json", "mdserver.port"); !strings.HasPrefix(text, "{\n  \"key\": \"mdserver.port\",\n  \"value\": \"8080\"") {
		t.Errorf("for a program: %s", text)
	}
}

// TestDumpFormats checks what programs get of all values.
func TestDumpFormats(t *testing.T) {
	file := configText(t, "[mdserver]\nport = 8080\n")
	for flags, want := range map[string]string{
		"-o csv":                 "key,value,file,line\nmdserver.port,8080," + file + ",2\n",
		"-o csv --no-headers":    "mdserver.port,8080," + file + ",2\n",
		"-o name":                "mdserver.port\n",
		"-o yaml":                "- key: mdserver.port\n  value: \"8080\"\n",
		"":                       "mdserver.port=8080\n",
		"--config " + file + "x": "/", // the argument counts
	} {
		args := append([]string{"dump", file}, strings.Fields(flags)...)
		text, code := runConfig(t, args...)
		if want == "/" {
			want = "mdserver.port=8080\n"
		}
		if code != 0 || !strings.HasPrefix(text, want) {
			t.Errorf("%s: exit %d, %.200s", flags, code, text)
		}
	}
}

// TestCompleteKeys checks that the shell is offered the keys of the configuration, or those that there
// always are.
func TestCompleteKeys(t *testing.T) {
	t.Setenv(command.EnvConfig, "")
	for file, lab := range map[string]bool{configText(t, "[network lab]\ninterface = br-lab\nnet_address = 10.9.0.0\n"): true, configText(t, "x"): false} {
		cmd := &cobra.Command{}
		cmd.Flags().String("config", "", "")
		if err := cmd.ParseFlags([]string{"--config", file}); err != nil {
			t.Fatal(err)
		}
		keys, directive := completeKeys(cmd, nil, "")
		all := strings.Join(keys, "\n")
		if !strings.Contains(all, "mdserver.port\n") || strings.Contains(all, "network lab.interface") != lab || directive != cobra.ShellCompDirectiveNoFileComp {
			t.Errorf("directive %d, %s", directive, all)
		}
	}
}

// TestConfFiles checks that each file of dnsmasq's is checked once, and named with its network.
func TestConfFiles(t *testing.T) {
	network := func(name, file string) config.Network { return config.Network{Name: name, ConfFile: file} }
	c := config.Default()
	c.Networks = []config.Network{network("mds", ""), network("lan", "/none/a"), network("lab", "/none/a"), network("wan", "/none/b")}
	err := checkConfFiles(t.Context(), c)
	all := flatten(err)
	if len(all) != 2 || !strings.HasPrefix(all[0].Error(), "conf_file of the network lan, /none/a: ") || !strings.HasPrefix(all[1].Error(), "conf_file of the network wan, /none/b: ") {
		t.Errorf("%q", all)
	}
	c.Networks = c.Networks[:1]
	if err := checkConfFiles(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// TestFromOriginal checks when a configuration is compared with what the Python mdserver made of it, and
// what is compared.
func TestFromOriginal(t *testing.T) {
	const set = "[dnsmasq]\nlease_len = 600\n"
	for _, tt := range []struct {
		name     string
		text     string // with DIR for the directory
		database bool   // the configuration was taken over
		dbFile   bool   // the Python mdserver's database is there
		sure     bool
		lease    bool // the key that is set is listed
		more     bool // so is what is not set
	}{
		{"one of the Python mdserver's", set, false, false, false, true, false},
		{"its database is there", set, false, true, false, true, true},
		{"on demand", set, false, false, true, true, true},
		{"one that was taken over", set, true, true, false, false, false},
		{"one that was taken over, on demand", set, true, true, true, true, true},
		{"one with a key of ours", set + "quarantine = 2h\n", false, true, false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, there := range map[string]bool{"mdserver.db": tt.database, "db_file": tt.dbFile} {
				if there {
					if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			c, _, err := config.Load(configText(t, tt.text+"[mdserver]\ndb_file = "+dir+"/db_file\nuserdata_dir = "+dir+"/none\n"))
			if err != nil {
				t.Fatal(err)
			}
			c.Server.Database = filepath.Join(dir, "mdserver.db")
			found := fromOriginal(c, dir, tt.sure)
			if found == nil {
				t.Error("nothing is no empty list")
			}
			lease, more := false, false
			for _, f := range found {
				lease, more = lease || f.Key == "dnsmasq.lease_len" && f.Line == 2, more || f.File == "" && f.Key != ""
				if f.whole == "" || !strings.Contains(f.whole, f.Text) {
					t.Errorf("%+v is printed as %q", f, f.whole)
				}
			}
			if lease != tt.lease || more != tt.more {
				t.Errorf("the key that is set is listed: %v, others: %v\n%+v", lease, more, found)
			}
		})
	}
}

// TestOriginalsFiles checks that what the Python mdserver has left on the host is listed, and settles that
// the configuration is its own.
func TestOriginalsFiles(t *testing.T) {
	root := t.TempDir()
	unit := filepath.Join(root, "etc/systemd/system/mdserver.service")
	if err := os.MkdirAll(filepath.Dir(unit), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unit, []byte("[Service]\nExecStart=/usr/local/bin/mdserver /etc/mdserver/mdserver.conf\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := config.Load(configText(t, "[mdserver]\ndb_file = "+root+"/none\nuserdata_dir = "+root+"/none\n"))
	if err != nil {
		t.Fatal(err)
	}
	c.Server.Database = filepath.Join(root, "mdserver.db")
	found := fromOriginal(c, root, false)
	last := found[len(found)-1]
	if last.File != unit || last.Line != 0 || last.whole != unit+": "+last.Text || len(found) < 2 {
		t.Errorf("%+v", found)
	}
}

// TestTemplateFindings checks that all templates are looked at once, the default one first, and that
// what cannot be read is reported, unless it need not be there.
func TestTemplateFindings(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "base")
	for path, text := range map[string]string{file: "% x = 1 +\n", filepath.Join(dir, "web"): "fine\n% y = 1 +\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	none := filepath.Join(dir, "none")
	for _, tt := range []struct {
		name, template, folder string
		missing                bool
		want                   []finding
	}{
		{"both", file, dir, false, []finding{{File: file, Line: 1}, {File: filepath.Join(dir, "web"), Line: 2}}},
		{"no default template", "", dir, false, []finding{{File: file, Line: 1}, {File: filepath.Join(dir, "web"), Line: 2}}},
		{"none of both", "", "", true, nil},
		{"both are missing", none, none + "2", false, nil},
		{"both are missing, and should be there", none, none + "2", true, []finding{{File: none}, {File: none + "2"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config.Default()
			c.Server.DefaultTemplate, c.Server.UserdataDir = tt.template, tt.folder
			got := templateFindings(c, tt.missing)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(finding{}), cmpopts.IgnoreFields(finding{}, "Text", "whole")); diff != "" {
				t.Error(diff)
			}
			for _, f := range got {
				kind := "SyntaxError: "
				if f.Line == 0 {
					kind = "templates not checked: "
				}
				if !strings.HasPrefix(f.Text, kind) || !strings.Contains(f.whole, f.Text) {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}
