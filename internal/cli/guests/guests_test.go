package guests

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
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

// Whatever is known of a guest, it is printed in the lines of its table.
func TestGuestsAreHarmless(t *testing.T) {
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
	guest := hostileGuest()
	guests := selection.Selected{Guests: []api.Guest{{Instance: guest}, {Instance: guest, State: outputtest.Hostile}}, Bridges: map[string]string{outputtest.Hostile: outputtest.Hostile}}
	outputtest.AreHarmless(t, map[string]func(*bytes.Buffer) error{
		"explain": func(b *bytes.Buffer) error { return printExplanation(b, doc) },
		"show":    func(b *bytes.Buffer) error { return printInstance(b, guest) },
		"ls":      func(b *bytes.Buffer) error { return guestSheet(guests).Print(b, view.FormatTable, true) },
		"ls wide": func(b *bytes.Buffer) error { return guestSheet(guests).Print(b, view.FormatWide, true) },
		"ls csv":  func(b *bytes.Buffer) error { return guestSheet(guests).Print(b, view.FormatCSV, true) },
		"ls name": func(b *bytes.Buffer) error { return guestSheet(guests).Print(b, view.FormatName, true) },
		"refusals": func(b *bytes.Buffer) error {
			return refusalsView.Sheet([]api.Refusal{refused}).Print(b, view.FormatCSV, true)
		},
		"refused": func(b *bytes.Buffer) error {
			printNotServed(b, []api.Refusal{refused})
			printRefusals(b, []api.Refusal{refused})
			return nil
		},
		"json": func(b *bytes.Buffer) error { return output.JSON(b, []any{doc, guest}) },
		"yaml": func(b *bytes.Buffer) error { return output.YAML(&visible.Writer{W: b}, []any{doc, guest}) },
	})
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
