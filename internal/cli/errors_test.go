package cli

import (
	"bytes"
	"errors"
	"testing"

	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/view"
	"mdserver/internal/visible"
)

// Whatever an error says, it is printed in lines of its own.
func TestErrorsAreHarmless(t *testing.T) {
	outputtest.AreHarmless(t, map[string]func(*bytes.Buffer) error{
		"json": func(b *bytes.Buffer) error {
			reportError(b, view.FormatJSON, errors.New(outputtest.Hostile))
			return nil
		},
		"yaml": func(b *bytes.Buffer) error {
			reportError(&visible.Writer{W: b}, view.FormatYAML, errors.New(outputtest.Hostile))
			return nil
		},
	})
}
