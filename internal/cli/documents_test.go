package cli

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/doctor"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/instance"
	"mdserver/internal/visible"
)

func hostileGuest() instance.Instance {
	return instance.Instance{
		Name: outputtest.Hostile, Hostname: outputtest.Hostile, ID: outputtest.Hostile, UUID: uuid.New(), Location: outputtest.Hostile, Network: outputtest.Hostile,
		IPv6:       netip.MustParseAddr("fe80::1").WithZone(outputtest.Hostile),
		Interfaces: []instance.Interface{{Network: outputtest.Hostile}, {Bridge: outputtest.Hostile}},
		Metadata:   instance.Metadata{Tags: map[string]string{outputtest.Hostile: outputtest.Hostile}, Values: map[string]string{outputtest.Hostile: outputtest.Hostile}},
		Presence:   instance.Presence{State: outputtest.Hostile},
	}
}

// Whatever is in a document, it is printed in the lines of its table.
func TestDocumentsAreHarmless(t *testing.T) {
	refused := api.Refusal{Name: outputtest.Hostile, State: api.Refused, Reason: outputtest.Hostile, Advice: []string{outputtest.Hostile}, Source: outputtest.Hostile}
	doc := api.Explanation{
		Name:      outputtest.Hostile,
		Facts:     []api.Fact{{Name: outputtest.Hostile, Value: outputtest.Hostile, Source: outputtest.Hostile}},
		Addresses: []api.ExplainedAddress{{Network: outputtest.Hostile, Why: outputtest.Hostile, Passed: []api.PassedAddress{{Reason: outputtest.Hostile}}}},
		Template:  api.TemplateChoice{Serves: outputtest.Hostile, Error: outputtest.Hostile, Candidates: []api.TemplateCandidate{{Path: outputtest.Hostile, Rule: outputtest.Hostile}}},
		Requests: api.Requests{
			Kinds:  []api.RequestKind{{Name: outputtest.Hostile}},
			Recent: []api.Request{{Method: outputtest.Hostile, Path: outputtest.Hostile}},
		},
		Served:  true,
		Refusal: &refused,
		DHCP:    &api.DHCP{Message: outputtest.Hostile},
		Missing: []string{outputtest.Hostile}, Problems: []api.Missing{{Code: outputtest.Hostile, Text: outputtest.Hostile}},
	}
	found := doctor.Report{Findings: []finding.Finding{{Check: outputtest.Hostile, State: outputtest.Hostile, Text: outputtest.Hostile, Remedy: []string{outputtest.Hostile}}}}
	guest := hostileGuest()
	guests := selection.Selected{Guests: []api.Guest{{Instance: guest}, {Instance: guest, State: outputtest.Hostile}}, Bridges: map[string]string{outputtest.Hostile: outputtest.Hostile}}
	status := api.Status{
		Health:   []api.Part{{Name: outputtest.Hostile, State: outputtest.Hostile}, {Name: outputtest.Hostile, Trouble: []api.Trouble{{Part: outputtest.Hostile, Message: outputtest.Hostile, Look: []string{outputtest.Hostile}}}}},
		Networks: []api.Network{{Name: outputtest.Hostile, Bridge: outputtest.Hostile, Domain: outputtest.Hostile, Trouble: outputtest.Hostile}},
	}
	checked := checkReport{Problems: []configFinding{{File: outputtest.Hostile, Key: outputtest.Hostile, Value: outputtest.Hostile, Text: outputtest.Hostile}}}
	problems := []templateProblem{{outputtest.Hostile, 1, outputtest.Hostile, outputtest.Hostile, outputtest.Hostile}}
	for name, print := range map[string]func(*bytes.Buffer) error{
		"explain": func(b *bytes.Buffer) error { return printExplanation(b, doc) },
		"doctor":  func(b *bytes.Buffer) error { printReport(b, found); return nil },
		"show":    func(b *bytes.Buffer) error { return printInstance(b, guest) },
		"ls": func(b *bytes.Buffer) error {
			return guestSheet(guests).Print(b, view.FormatTable, true)
		},
		"ls wide":     func(b *bytes.Buffer) error { return guestSheet(guests).Print(b, view.FormatWide, true) },
		"ls csv":      func(b *bytes.Buffer) error { return guestSheet(guests).Print(b, view.FormatCSV, true) },
		"ls name":     func(b *bytes.Buffer) error { return guestSheet(guests).Print(b, view.FormatName, true) },
		"yaml":        func(b *bytes.Buffer) error { return output.YAML(&visible.Writer{W: b}, []any{doc, found, guest}) },
		"doctor csv":  func(b *bytes.Buffer) error { return findingSheet(found.Findings).Print(b, view.FormatCSV, true) },
		"doctor wide": func(b *bytes.Buffer) error { return findingSheet(found.Findings).Print(b, view.FormatWide, true) },
		"status csv":  func(b *bytes.Buffer) error { return healthSheet(status).Print(b, view.FormatCSV, true) },
		"status name": func(b *bytes.Buffer) error { return healthSheet(status).Print(b, view.FormatName, true) },
		"network show": func(b *bytes.Buffer) error {
			return printNetwork(b, api.Network{Name: outputtest.Hostile, Bridge: outputtest.Hostile, Domain: outputtest.Hostile, Trouble: outputtest.Hostile, Ranges: []string{outputtest.Hostile}})
		},
		"networks": func(b *bytes.Buffer) error { return networkSheet(status.Networks).Print(b, view.FormatCSV, true) },
		"refusals": func(b *bytes.Buffer) error {
			return refusalsView.Sheet([]api.Refusal{refused}).Print(b, view.FormatCSV, true)
		},
		"config":    func(b *bytes.Buffer) error { return checked.sheet().Print(b, view.FormatName, true) },
		"templates": func(b *bytes.Buffer) error { return problemsView.Sheet(problems).Print(b, view.FormatCSV, true) },
		"error": func(b *bytes.Buffer) error {
			reportError(b, view.FormatJSON, errors.New(outputtest.Hostile))
			return nil
		},
		"error yaml": func(b *bytes.Buffer) error {
			reportError(&visible.Writer{W: b}, view.FormatYAML, errors.New(outputtest.Hostile))
			return nil
		},
		"refused": func(b *bytes.Buffer) error {
			printNotServed(b, []api.Refusal{refused})
			printRefusals(b, []api.Refusal{refused})
			return nil
		},
		"json": func(b *bytes.Buffer) error { return output.JSON(b, []any{doc, found, guest}) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := print(&out); err != nil {
				t.Fatal(err)
			}
			outputtest.MustBeHarmless(t, out.String())
		})
	}
}

func TestLongValuesAreCut(t *testing.T) {
	guest := hostileGuest()
	guest.Name = strings.Repeat("n", 900_000)
	var out bytes.Buffer
	if err := guestSheet(selection.Selected{Guests: []api.Guest{{Instance: guest}}}).Print(&out, view.FormatTable, true); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 10*output.MaxValue {
		t.Errorf("%d bytes for one guest", out.Len())
	}
}
