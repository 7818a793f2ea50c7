package template

import (
	"bytes"
	"testing"

	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/view"
)

const hostile = outputtest.Hostile

// Whatever is in a template, its problems are printed in lines of their own.
func TestProblemsAreHarmless(t *testing.T) {
	problems := []Problem{{hostile, 1, hostile, hostile, hostile}}
	outputtest.AreHarmless(t, map[string]func(*bytes.Buffer) error{
		"csv": func(b *bytes.Buffer) error { return problemsView.Sheet(problems).Print(b, view.FormatCSV, true) },
	})
}
