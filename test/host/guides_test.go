//go:build host

package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tutorial's blocks are parts of those of README.md, which are run.
func TestTutorialIsReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(sources, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for place, c := range covered {
		if c.partOfReadme && !strings.Contains(string(readme), readBlock(t, place)) {
			t.Errorf("%s is not what README.md has", place)
		}
	}
}
