package stpl

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// The package is usable by itself: no file imports more of this module than
// what is below stpl.
func TestImportsNothingOfTheServer(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		files++
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imported := range parsed.Imports {
			if strings.HasPrefix(imported.Path.Value, `"mdserver/`) && !strings.HasPrefix(imported.Path.Value, `"mdserver/stpl`) {
				t.Errorf("%s imports %s", path, imported.Path.Value)
			}
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("read %d files (%v)", files, err)
	}
}
