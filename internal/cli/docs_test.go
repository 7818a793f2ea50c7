package cli

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the pages of docs/reference about commands")

// The pages about commands say what the commands do.
func TestCommandReferenceIsUpToDate(t *testing.T) {
	for file, want := range map[string]string{
		"../../docs/reference/commands.md":   reference(),
		"../../docs/reference/exit-codes.md": exitCodesPage(),
	} {
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s differs from the commands; run go test ./internal/cli -update", file)
		}
	}
}
