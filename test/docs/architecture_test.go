package docs

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// architecture is the page that draws and lists the packages.
const architecture = "docs/explanation/architecture.md"

// packages lists the server's packages as the page names them.
func packages(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{"stpl": true}
	internal := filepath.Join("..", "..", "internal")
	err := filepath.WalkDir(internal, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		name, err := filepath.Rel(internal, filepath.Dir(path))
		all[filepath.ToSlash(name)] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// word is a package's name, or what looks like one.
var word = regexp.MustCompile(`[a-z0-9]+(?:/[a-z0-9]+)*`)

func add(names map[string]bool, text string) {
	for _, name := range word.FindAllString(text, -1) {
		names[name] = true
	}
}

// The drawing and the table have each package that exists, and the drawing has
// no path of another one.
func TestArchitectureNamesAllPackages(t *testing.T) {
	page := pages(t)[architecture]
	drawn, listed := map[string]bool{}, map[string]bool{}
	for _, line := range page.Lines {
		if line.Block == "text" {
			add(drawn, line.Text)
		}
		if cells := strings.Split(line.Text, "|"); len(cells) > 2 {
			add(listed, cells[1])
		}
	}
	all := packages(t)
	for name := range all {
		if !drawn[name] {
			t.Errorf("%s: the drawing lacks the package %s", architecture, name)
		}
		if !listed[name] {
			t.Errorf("%s: the table lacks the package %s", architecture, name)
		}
	}
	for name := range drawn {
		if strings.Contains(name, "/") && !all[name] {
			t.Errorf("%s: the drawing has %s, which is no package", architecture, name)
		}
	}
}
