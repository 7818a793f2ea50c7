package template

import (
	"bytes"
	"testing"

	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/view"
)

// Whatever is in a template, its problems are printed in lines of their own.
func TestProblemsAreHarmless(t *testing.T) {
	problems := []Problem{{outputtest.Hostile, 1, outputtest.Hostile, outputtest.Hostile, outputtest.Hostile}}
	outputtest.AreHarmless(t, map[string]func(*bytes.Buffer) error{
		"csv": func(b *bytes.Buffer) error { return problemsView.Sheet(problems).Print(b, view.FormatCSV, true) },
	})
}
