package host

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources is the directory with README.md, from here.
const sources = "../.."

// block is a block of shell commands in the documentation, character for character.
type block struct {
	place string // its file, the heading above it, and its number below that
	text  string
}

// coverage says which test runs a block, or why none does.
type coverage struct{ test, why string }

// covered has every block of the documentation.
var covered = map[string]coverage{
	"README.md#First guest#1": {test: "TestDebian12"},
	"README.md#First guest#2": {test: "TestDebian12"},
	"README.md#First guest#3": {test: "TestDebian12"},

	"docs/reference/http.md#Identity documents#1": {test: "TestDebian12"},

	"docs/reference/networks.md#libvirt's own network#1":                    {test: "TestDebian13"},
	"docs/reference/networks.md#Guests with an address of 169.254.0.0/16#1": {test: "TestDebian13"},
	"docs/reference/networks.md#Port security#1":                            {test: "TestDebian13"},
	"docs/reference/libvirt.md#Metadata of a domain#1":                      {test: "TestDebian13"},
	"docs/reference/templates.md#Several parts#1":                           {test: "TestDebian13"},

	"docs/howto/backup.md#What to save#1": {test: "TestDebian13"},
	"docs/howto/backup.md#The way back#1": {test: "TestDebian13"},

	"docs/howto/upgrade.md#Step by step#1": {test: "TestDocumentedUpgrade"},
	"docs/howto/upgrade.md#dnsmasq#1":      {test: "TestDocumentedUpgrade"},
	"docs/howto/upgrade.md#The way back#1": {test: "TestDocumentedUpgrade"},

	"docs/howto/backup.md#Another host#1": {why: "there is one host; the script backup of internal/cli restores from standard input"},
	"docs/reference/libvirt.md#The network#1": {why: "a Debian host has no firewalld unless its owner installs it, and README.md does not"},
	"CONTRIBUTING.md#The loop#1":    {why: "it runs all tests, and these among them"},
}

// documents are the files whose blocks a reader may paste.
func documents() ([]string, error) {
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		files, err := filepath.Glob(filepath.Join(sources, pattern))
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

// fence is a line that begins or ends a block.
var fence = regexp.MustCompile("^(```+|~~~+) *([^ ]*)")

// blocksOf returns the shell blocks of a document, and fails for a block that
// does not say what it is in.
func blocksOf(file string) ([]block, error) {
	text, err := os.ReadFile(filepath.Join(sources, file))
	if err != nil {
		return nil, err
	}
	var (
		all           []block
		place, inside = file, ""
		number        int
		lines         []string
	)
	for i, line := range strings.Split(string(text), "\n") {
		mark := fence.FindStringSubmatch(line)
		switch heading := strings.TrimLeft(line, "#"); {
		case inside != "" && mark == nil:
			lines = append(lines, line)
		case inside != "":
			if shell(inside) {
				number++
				all = append(all, block{fmt.Sprintf("%s#%d", place, number), strings.Join(lines, "\n")})
			}
			inside, lines = "", nil
		case mark != nil && mark[2] == "":
			return nil, fmt.Errorf("%s:%d: a block without a language", file, i+1)
		case mark != nil:
			inside = mark[2]
		case strings.HasPrefix(line, "##"):
			place, number = file+"#"+strings.TrimSpace(heading), 0
		}
	}
	if inside != "" {
		return nil, fmt.Errorf("%s: the last block has no end", file)
	}
	return all, nil
}

func shell(language string) bool {
	return slices.Contains([]string{"sh", "bash", "shell", "console", "shell-session", "zsh"}, language)
}

// Each shell block of the documentation is run by a test, or has a reason why not.
func TestEveryShellBlockIsCovered(t *testing.T) {
	files, err := documents()
	if err != nil || len(files) < 10 {
		t.Fatalf("documents: %v %v", files, err)
	}
	missing := maps.Clone(covered)
	for _, path := range files {
		file, err := filepath.Rel(sources, path)
		if err != nil {
			t.Fatal(err)
		}
		if file == "docs/reference/commands.md" {
			continue // written by the program: usage, and no commands to paste
		}
		blocks, err := blocksOf(file)
		if err != nil {
			t.Error(err)
		}
		for _, b := range blocks {
			if _, ok := covered[b.place]; !ok {
				t.Errorf("%s: no test runs this block; run it in test/host, or say in the table there why not:\n%s", b.place, b.text)
			}
			delete(missing, b.place)
		}
	}
	for place := range missing {
		t.Errorf("the table has %s, and the documentation does not", place)
	}
	tests := testsHere(t)
	for place, c := range covered {
		if (c.test == "") == (c.why == "") {
			t.Errorf("%s: want a test or a reason", place)
		}
		if c.test != "" && !tests[c.test] {
			t.Errorf("%s: there is no test %s", place, c.test)
		}
	}
}

// testsHere are the tests of this directory.
func testsHere(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			found[match[1]] = true
		}
	}
	return found
}
