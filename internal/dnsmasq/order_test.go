package dnsmasq

import (
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/instance"
)

// TestAnyOrderOfCalls makes every sequence of three calls on a service whose
// settings are good, refused or for a network that dnsmasq does not serve. None
// may panic, and none that follows a refusal may claim that guests are served.
func TestAnyOrderOfCalls(t *testing.T) {
	guest := instance.Instance{Name: "web1", Hostname: "web1", UUID: uuid.UUID{1}, Network: "mds",
		MAC: instance.MAC{2, 1}, IPv4: netip.MustParseAddr("10.122.0.10")}
	events := []instance.Event{{New: &guest}}
	settings := func(change func(*content.Settings)) func(dir string) content.Settings {
		return func(dir string) content.Settings {
			s := content.Settings{Mode: content.External, BaseDir: dir + "/base", RunDir: dir + "/run", NetName: "mds", Interface: "br-mds",
				Network: netip.MustParsePrefix("10.122.0.0/16"), Gateway: netip.MustParseAddr("10.122.0.1")}
			change(&s)
			return s
		}
	}
	good := settings(func(*content.Settings) {})
	type step struct {
		name string
		do   func(*Service, content.Settings) error
	}
	calls := []step{
		{"start", func(s *Service, _ content.Settings) error { return s.Start(t.Context(), []instance.Instance{guest}) }},
		{"apply", func(s *Service, _ content.Settings) error { return s.Apply(t.Context(), events) }},
		{"catch up", func(s *Service, _ content.Settings) error { s.CatchUp(t.Context()); return nil }},
		{"reconfigure", func(s *Service, same content.Settings) error {
			return s.Reconfigure(t.Context(), same, []instance.Instance{guest})
		}},
		{"close", func(s *Service, _ content.Settings) error { return s.Close() }},
	}
	sequence := func(t *testing.T, settings content.Settings, refused bool, steps ...step) {
		s := New(settings, slog.New(slog.NewTextHandler(io.Discard, nil)))
		defer func() { _ = s.Close() }()
		var names []string
		for _, step := range steps {
			names = append(names, step.name)
			err := step.do(s, settings)
			if starts := step.name == "start" || step.name == "reconfigure"; starts && !slices.Contains(names, "close") && (err != nil) != refused {
				t.Errorf("%v: error %v", names, err)
			}
		}
		if st := s.Status(); refused && st.Live {
			t.Errorf("%v: status %+v", names, st)
		}
	}
	for _, tt := range []struct {
		name    string
		refused bool
		of      func(dir string) content.Settings
	}{
		{"good", false, good},
		{"off", false, settings(func(s *content.Settings) { s.Mode = content.Off })},
		{"path", true, settings(func(s *content.Settings) { s.BaseDir += ",x" })},
		{"prefix", true, settings(func(s *content.Settings) { s.Network6 = netip.MustParsePrefix("fd00:122::/56") })},
		{"empty", true, func(string) content.Settings { return content.Settings{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, first := range calls {
				for _, second := range calls {
					for _, third := range calls {
						sequence(t, tt.of(t.TempDir()), tt.refused, first, second, third)
					}
				}
			}
		})
	}
}
