package docs

import (
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/config"
)

const top = "../.."

func pages(t *testing.T) map[string]Page {
	t.Helper()
	list, err := Read(top)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]Page{}
	for _, page := range list {
		all[page.Path] = page
	}
	if len(all) < 25 {
		t.Fatalf("there are %d pages only", len(all))
	}
	return all
}

// Every link leads to a file that exists, and to a heading in it.
func TestLinks(t *testing.T) {
	all := pages(t)
	for _, page := range all {
		for _, link := range page.Links() {
			target, err := url.Parse(link.Target)
			if err != nil || target.Scheme != "" && target.Scheme != "https" {
				t.Errorf("%s:%d: %q is no link to this documentation or to the web", page.Path, link.Line, link.Target)
				continue
			}
			if target.Scheme != "" {
				continue
			}
			path := page.Path
			if target.Path != "" {
				path = filepath.Join(filepath.Dir(page.Path), target.Path)
			}
			if _, err := os.Stat(filepath.Join(top, path)); err != nil {
				t.Errorf("%s:%d: %s does not exist", page.Path, link.Line, path)
				continue
			}
			if target.Fragment != "" && !all[path].Anchors[target.Fragment] {
				t.Errorf("%s:%d: %s has no heading #%s", page.Path, link.Line, path, target.Fragment)
			}
		}
	}
}

// Every page is reached from the index, or from README.md.
func TestEveryPageIsLinked(t *testing.T) {
	linked := map[string]bool{"README.md": true, "CONTRIBUTING.md": true, "RELEASING.md": true}
	all := pages(t)
	for _, page := range all {
		for _, link := range page.Links() {
			path, _, _ := strings.Cut(link.Target, "#")
			linked[filepath.Join(filepath.Dir(page.Path), path)] = true
		}
	}
	for path := range all {
		if !linked[path] {
			t.Errorf("no page links to %s", path)
		}
	}
}

// Every block of configuration passes "mdserver config check" without a warning.
func TestConfigurationBlocks(t *testing.T) {
	blocks := 0
	for _, page := range pages(t) {
		for _, block := range page.Blocks("ini") {
			blocks++
			file := filepath.Join(t.TempDir(), "mdserver.conf")
			if err := os.WriteFile(file, []byte(block.Text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, warnings, err := config.Load(file)
			if err != nil {
				t.Errorf("%s:%d: %v\n%s", block.Path, block.Line, err, block.Text)
			}
			for _, warning := range warnings {
				t.Errorf("%s:%d: %s\n%s", block.Path, block.Line, warning, block.Text)
			}
		}
	}
	if blocks < 10 {
		t.Errorf("found %d blocks of configuration only", blocks)
	}
}

// Every block of XML is well-formed, as one or several elements.
func TestXMLBlocks(t *testing.T) {
	for _, page := range pages(t) {
		for _, block := range page.Blocks("xml") {
			d := xml.NewDecoder(strings.NewReader("<block>" + block.Text + "</block>"))
			for {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Errorf("%s:%d: %v\n%s", block.Path, block.Line, err, block.Text)
					break
				}
			}
		}
	}
}

// Every block says what it is in.
func TestBlocksHaveLanguages(t *testing.T) {
	for _, page := range pages(t) {
		for _, block := range page.Blocks("unnamed") {
			t.Errorf("%s:%d: a block without a language", block.Path, block.Line)
		}
	}
}
