package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the sample file and the reference")

// TestDocuments keeps the two documents equal to what the table says.
func TestDocuments(t *testing.T) {
	for path, want := range map[string]string{
		"../../packaging/etc/mdserver.conf":     Example(),
		"../../docs/reference/configuration.md": Reference(),
	} {
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the table of keys gives; run go test ./internal/config -update", path)
		}
	}
}

// TestSampleLoads: the sample as it is shipped is the default configuration,
// but for what it says it sets.
func TestSampleLoads(t *testing.T) {
	// Whatever this host has in /etc is not to be read.
	sample := strings.ReplaceAll(Example(), "/etc/mdserver/mdserver.conf.d", t.TempDir()+"/conf.d")
	c, warnings := mustLoad(t, sample)
	live, restart := Diff(Default(), c)
	if got := strings.Join(append(live, restart...), " "); got != "mdserver.report mdserver.template_escape dnsmasq.use_dns dnsmasq.port_security _include_.directories" {
		t.Errorf("the sample changes %s", got)
	}
	for _, w := range warnings {
		if !strings.Contains(w.Text, "/conf.d does not exist") {
			t.Errorf("warning: %v", w)
		}
	}
}

// TestNetworkKeyAlone: a key of a network that is uncommented without the head
// of its section changes nothing, and is warned of.
func TestNetworkKeyAlone(t *testing.T) {
	sample := strings.ReplaceAll(Example(), "/etc/mdserver/mdserver.conf.d", t.TempDir())
	base, _ := mustLoad(t, sample)
	before, section, found := strings.Cut(sample, "#["+networkSection+"]")
	if !found {
		t.Fatal("the sample has no section for a network")
	}
	for _, k := range keysOf(networkSection) {
		commented := "\n#" + k.name + " = "
		if !strings.Contains(section, commented) {
			t.Errorf("%s is not in the sample's section", k.name)
		}
		c, warnings := mustLoad(t, before+"#["+networkSection+"]"+strings.Replace(section, commented, commented[:1]+commented[2:], 1))
		if live, restart := Diff(base, c); len(live)+len(restart) > 0 || len(c.Networks) != 1 {
			t.Errorf("%s alone changes %v %v", k.name, live, restart)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0].String(), k.name) {
			t.Errorf("%s alone: warnings %v", k.name, warnings)
		}
	}
}

// TestSampleShowsDefaults: a line of the sample that has no example's value
// means the same when its # is taken away.
func TestSampleShowsDefaults(t *testing.T) {
	var lines []string
	for line := range strings.Lines(Example()) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") && line != "#\n" {
			line = line[1:]
		}
		lines = append(lines, line)
	}
	sample := strings.ReplaceAll(strings.Join(lines, ""), "= /etc/mdserver/mdserver", "= "+t.TempDir()+"/mdserver")
	c, warnings := mustLoad(t, sample)
	for _, w := range warnings {
		if w.Key != "_include_" && !strings.HasPrefix(w.Key, "public-keys.") {
			t.Errorf("warning: %v", w)
		}
	}
	live, restart := Diff(Default(), c)
	for _, name := range append(live, restart...) {
		if k := index[name]; k != nil && k.example == "" && k.shipped == "" {
			t.Errorf("%s: the sample shows another default than the table has", name)
		}
	}
	if len(c.PublicKeys) != 2 || len(c.TemplateData) != 1 || c.Server.Password == "" {
		t.Errorf("the sample's examples are not all there: %+v", c.PublicKeys)
	}
	for i := range table {
		if v := c.values.byKey[table[i].section+"."+strings.ToLower(table[i].name)]; v == nil || v.file == "" {
			if table[i].rest == nil || c.values.byKey[table[i].section+".name"] == nil {
				t.Errorf("%s is not in the sample", table[i].full())
			}
		}
	}
}

// TestDocumentsMentionEveryKey guards the generator itself.
func TestDocumentsMentionEveryKey(t *testing.T) {
	for i := range table {
		k := &table[i]
		if k.doc == "" || strings.Contains(k.doc, "\n\n") {
			t.Errorf("%s: its text is empty or has a blank line", k.full())
		}
		for line := range strings.SplitSeq(k.doc, "\n") {
			if len(line) > 90 {
				t.Errorf("%s: a line of its text is longer than 90: %q", k.full(), line)
			}
		}
		if !strings.Contains(Reference(), "### `"+k.name+"`\n") {
			t.Errorf("%s is not in the reference", k.full())
		}
	}
}
