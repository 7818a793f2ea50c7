// Package imports holds the module to its architecture: who may import whom.
package imports

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// architecture is the page whose section "Layers" is the rule.
const architecture = "../../docs/explanation/architecture.md"

const module = "mdserver/"

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath string
	Imports    []string
}

// packages are the packages of the program with the packages of the program that
// they import, by their names in the drawing. Tests import what they like.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Imports", "./cmd/...", "./internal/...", "./packaging/...", "./stpl/...")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		from := name(p.ImportPath)
		all[from] = append(all[from], ours(p.Imports)...)
	}
	return all
}

// ours are the names of those imports that are packages of this module.
func ours(imports []string) []string {
	var names []string
	for _, path := range imports {
		if strings.HasPrefix(path, module) {
			names = append(names, name(path))
		}
	}
	return names
}

// name is a package's name in the drawing: its path below internal. The packages
// below stpl count as one, the library stpl.
func name(path string) string {
	path = strings.TrimPrefix(strings.TrimPrefix(path, module), "internal/")
	if strings.HasPrefix(path, "stpl/") {
		return "stpl"
	}
	return path
}

// layer is one line of the drawing.
type layer struct {
	name     string
	packages []string
}

// drawing reads the layers of the page, the highest first. A line that begins
// with a space goes on with the layer of the line before.
func drawing(page string) ([]layer, error) {
	_, section, _ := strings.Cut(page, "\n## Layers\n")
	_, block, found := strings.Cut(section, "\n```text\n")
	block, _, closed := strings.Cut(block, "\n```\n")
	if !found || !closed {
		return nil, fmt.Errorf("there is no block ```text in the section Layers")
	}
	var layers []layer
	for line := range strings.SplitSeq(block, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case !strings.HasPrefix(line, " "):
			layers = append(layers, layer{name: words[0]})
			words = words[1:]
		case len(layers) == 0:
			return nil, fmt.Errorf("the line %q belongs to no layer", line)
		}
		last := &layers[len(layers)-1]
		last.packages = append(last.packages, words...)
	}
	return layers, nil
}

// violations are the faults of imports by the layers. A package imports packages
// of lower layers, and those of its own tree in its own layer.
func violations(layers []layer, imports map[string][]string) []string {
	var faults []string
	height := map[string]int{}
	for i, l := range layers {
		for _, p := range l.packages {
			if _, twice := height[p]; twice {
				faults = append(faults, p+" is drawn twice")
			}
			if _, exists := imports[p]; !exists {
				faults = append(faults, p+" is drawn and does not exist")
			}
			height[p] = len(layers) - i
		}
	}
	for from, list := range imports {
		if _, drawn := height[from]; !drawn {
			faults = append(faults, from+" is not drawn")
			continue
		}
		for _, to := range list {
			sameTree := tree(from) == tree(to) && height[from] == height[to]
			if height[from] <= height[to] && !sameTree && height[to] > 0 {
				faults = append(faults, fmt.Sprintf("%s imports %s, which is not below it", from, to))
			}
		}
	}
	slices.Sort(faults)
	return slices.Compact(faults)
}

// tree is the first part of a package's name.
func tree(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}

func readPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

func TestLayers(t *testing.T) {
	layers, err := drawing(readPage(t))
	if err != nil {
		t.Fatal(err)
	}
	imports := packages(t)
	if len(layers) < 5 || len(imports) < 40 {
		t.Fatalf("%d layers and %d packages only", len(layers), len(imports))
	}
	for _, fault := range violations(layers, imports) {
		t.Errorf("%s; see the section Layers of %s", fault, architecture)
	}
}

// Each package has its row in the table of jobs, and each row its package.
func TestJobs(t *testing.T) {
	imports := packages(t)
	rows := map[string]bool{}
	for line := range strings.SplitSeq(readPage(t), "\n") {
		if cells := strings.Split(line, "|"); len(cells) == 4 {
			for _, quoted := range regexp.MustCompile("`([a-z0-9/]+)`").FindAllStringSubmatch(cells[1], -1) {
				rows[strings.TrimSuffix(quoted[1], "/")] = true
			}
		}
	}
	for p := range imports {
		if !rows[p] {
			t.Errorf("%s is not in the table of %s", p, architecture)
		}
	}
	for p := range rows {
		if _, exists := imports[p]; !exists {
			t.Errorf("%s is in the table of %s and does not exist", p, architecture)
		}
	}
}

// Packages for which the layers are not strict enough: all that they may import
// of this module.
func TestNarrowPackages(t *testing.T) {
	imports := packages(t)
	for p, allowed := range map[string][]string{
		"instance":     nil,
		"stpl":         {"stpl"},
		"api":          {"instance"},
		"client":       {"api", "instance"},
		"cmd/mdserver": {"cli"},
	} {
		for _, to := range imports[p] {
			if !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s, allowed: %q", p, to, allowed)
			}
		}
	}
}

// Packages that few may import. A name that ends with /... stands for the packages
// below it, too.
func TestSecludedPackages(t *testing.T) {
	importers := map[string][]string{
		"stpl":   {"stpl", "userdata", "cli/template"},
		"daemon": {"cli/server"},
		"admin":  {"daemon", "daemon/hosts"},
		"client": {"cli/..."},
	}
	for from, list := range packages(t) {
		for _, to := range list {
			if allowed, secluded := importers[to]; secluded && !among(from, allowed) {
				t.Errorf("%s imports %s, which is for %q", from, to, allowed)
			}
		}
	}
}

// among reports whether one of the patterns stands for a package.
func among(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		top, all := strings.CutSuffix(pattern, "/...")
		return name == top || all && strings.HasPrefix(name, top+"/")
	})
}

func TestViolations(t *testing.T) {
	layers, err := drawing("# Page\n\n## Layers\n\nProse.\n\n```text\ntop     cli\nmiddle  store store/disk\n        net\nbottom  base\n```\n\nMore.\n")
	if err != nil || len(layers) != 3 || len(layers[1].packages) != 3 {
		t.Fatalf("%v, %v", layers, err)
	}
	house := func(changes map[string][]string) map[string][]string {
		all := map[string][]string{"cli": {"store", "base"}, "store": {"base"}, "store/disk": {"store"}, "net": nil, "base": nil}
		for p, imports := range changes {
			all[p] = imports
		}
		return all
	}
	for name, test := range map[string]struct {
		imports map[string][]string
		want    string
	}{
		"as drawn":     {house(nil), ""},
		"upward":       {house(map[string][]string{"base": {"net"}}), "base imports net, which is not below it"},
		"sideways":     {house(map[string][]string{"net": {"store"}}), "net imports store, which is not below it"},
		"not drawn":    {house(map[string][]string{"new": {"base"}}), "new is not drawn"},
		"not existing": {map[string][]string{"cli": nil, "store": nil, "store/disk": nil, "net": nil}, "base is drawn and does not exist"},
	} {
		if got := strings.Join(violations(layers, test.imports), "; "); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	twice := append(layers, layer{"more", []string{"net"}})
	if got := violations(twice, house(nil)); len(got) != 1 || got[0] != "net is drawn twice" {
		t.Errorf("drawn twice: %q", got)
	}
	if _, err := drawing("# Page\n"); err == nil {
		t.Error("a page without a drawing is no error")
	}
}
