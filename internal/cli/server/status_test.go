package server

import (
	"bytes"
	"strings"
	"testing"

	"mdserver/internal/api"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/view"
	"mdserver/internal/visible"
)

const hostile = outputtest.Hostile

// Whatever a server reports of itself, it is printed in lines of its own.
func TestStatusIsHarmless(t *testing.T) {
	network := api.Network{Name: hostile, Bridge: hostile, Domain: hostile, Trouble: hostile}
	withRanges := network
	withRanges.Ranges = []string{hostile}
	status := api.Status{
		Health: []api.Part{{Name: hostile, State: hostile}, {Name: hostile,
			Trouble: []api.Trouble{{Part: hostile, Message: hostile, Look: []string{hostile}}}}},
		Networks: []api.Network{network},
	}
	outputtest.AreHarmless(t, map[string]func(*bytes.Buffer) error{
		"status csv":   func(b *bytes.Buffer) error { return healthSheet(status).Print(b, view.FormatCSV, true) },
		"status name":  func(b *bytes.Buffer) error { return healthSheet(status).Print(b, view.FormatName, true) },
		"network show": func(b *bytes.Buffer) error { return printNetwork(b, withRanges) },
		"networks":     func(b *bytes.Buffer) error { return networkSheet(status.Networks).Print(b, view.FormatCSV, true) },
	})
}

// With colors, too, nothing but our own sequences reaches a terminal.
func TestStatusIsHarmlessInColor(t *testing.T) {
	var out bytes.Buffer
	if err := printStatus(&output.Screen{Writer: visible.Writer{W: &out}, Colored: true}, api.Status{Version: hostile, Health: []api.Part{{Name: hostile, State: api.Wrong,
		Trouble: []api.Trouble{{Part: hostile, State: api.Warning, Message: hostile, Look: []string{hostile}}}}}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{outputtest.Red, outputtest.Yellow, outputtest.Reset} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
	outputtest.MustBeHarmless(t, outputtest.WithoutColors(out.String()))
}
