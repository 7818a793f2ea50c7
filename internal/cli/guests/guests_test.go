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

const hostile = outputtest.Hostile

func hostileGuest() instance.Instance {
	return instance.Instance{
		Name: hostile, Hostname: hostile, ID: hostile, UUID: uuid.New(), Location: hostile, Network: hostile,
		IPv6:       netip.MustParseAddr("fe80::1").WithZone(hostile),
		Interfaces: []instance.Interface{{Network: hostile}, {Bridge: hostile}},
		Metadata:   instance.Metadata{Tags: map[string]string{hostile: hostile}, Values: map[string]string{hostile: hostile}},
		Presence:   instance.Presence{State: hostile},
	}
}

// Whatever is known of a guest, it is printed in the lines of its table.
func TestGuestsAreHarmless(t *testing.T) {
	refused := api.Refusal{Name: hostile, State: api.Refused, Reason: hostile, Advice: []string{hostile}, Source: hostile}
	doc := api.Explanation{
		Name:      hostile,
		Facts:     []api.Fact{{Name: hostile, Value: hostile, Source: hostile}},
		Addresses: []api.ExplainedAddress{{Network: hostile, Why: hostile, Passed: []api.PassedAddress{{Reason: hostile}}}},
		Template:  api.TemplateChoice{Serves: hostile, Error: hostile, Candidates: []api.TemplateCandidate{{Path: hostile, Rule: hostile}}},
		Requests: api.Requests{
			Kinds:  []api.RequestKind{{Name: hostile}},
			Recent: []api.Request{{Method: hostile, Path: hostile}},
		},
		Served:  true,
		Refusal: &refused,
		DHCP:    &api.DHCP{Message: hostile},
		Missing: []string{hostile}, Problems: []api.Missing{{Code: hostile, Text: hostile}},
	}
	guest := hostileGuest()
	guests := selection.Selected{Guests: []api.Guest{{Instance: guest}, {Instance: guest, State: hostile}}, Bridges: map[string]string{hostile: hostile}}
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
