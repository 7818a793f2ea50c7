//go:build host

package host

import (
	"os"
	"strings"
	"testing"
)

// shellBlocks returns the blocks of shell commands under a heading of README.md,
// character for character.
func shellBlocks(t *testing.T, heading string) []string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("README.md has no heading %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for {
		_, rest, found := strings.Cut(section, "\n```sh\n")
		if !found {
			return blocks
		}
		var block string
		if block, section, found = strings.Cut(rest, "\n```"); !found {
			t.Fatalf("README.md: a block under %q has no end", heading)
		}
		blocks = append(blocks, block)
	}
}
