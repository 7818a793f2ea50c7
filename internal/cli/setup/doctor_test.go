package setup

import (
	"bytes"
	"strings"
	"testing"

	"mdserver/internal/cli/output"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/view"
	"mdserver/internal/doctor"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/visible"
)

const hostile = outputtest.Hostile

// Whatever doctor finds, it is printed in lines of its own.
func TestFindingsAreHarmless(t *testing.T) {
	found := doctor.Report{Findings: []finding.Finding{{Check: hostile, State: hostile, Text: hostile, Remedy: []string{hostile}}}}
	outputtest.AreHarmless(t, map[string]func(*bytes.Buffer) error{
		"text": func(b *bytes.Buffer) error { printReport(b, found); return nil },
		"csv":  func(b *bytes.Buffer) error { return findingSheet(found.Findings).Print(b, view.FormatCSV, true) },
		"wide": func(b *bytes.Buffer) error { return findingSheet(found.Findings).Print(b, view.FormatWide, true) },
		"json": func(b *bytes.Buffer) error { return output.JSON(b, found) },
		"yaml": func(b *bytes.Buffer) error { return output.YAML(&visible.Writer{W: b}, found) },
	})
}

// With colors, too, nothing but our own sequences reaches a terminal.
func TestFindingsAreHarmlessInColor(t *testing.T) {
	var out bytes.Buffer
	var findings []finding.Finding
	for _, state := range []finding.State{finding.OK, finding.Warning, finding.Wrong, hostile} {
		findings = append(findings, finding.Finding{Check: hostile, State: state, Text: hostile, Remedy: []string{hostile}})
	}
	printReport(&output.Screen{Writer: visible.Writer{W: &out}, Colored: true}, doctor.Report{Findings: findings})
	for _, want := range []string{outputtest.Green + "ok      " + outputtest.Reset, outputtest.Yellow + "warning " + outputtest.Reset, outputtest.Red + "wrong   " + outputtest.Reset} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
	outputtest.MustBeHarmless(t, outputtest.WithoutColors(out.String()))
}
