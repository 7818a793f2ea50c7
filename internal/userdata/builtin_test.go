package userdata

import (
	"log/slog"
	"strings"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/instance"
)

func TestBuiltinNamesTheDomain(t *testing.T) {
	var cfg config.Config
	cfg.Server.TemplateMemory = 64
	cfg.Networks = []config.Network{{}, {}}
	cfg.Networks[0].Name, cfg.Networks[0].Domain = "lab", "lab.example"
	cfg.Networks[1].Name = "bare"
	r := New(&cfg, nil, slog.New(slog.DiscardHandler))
	for _, tt := range []struct{ network, hostname, want string }{
		{"lab", "web1", "fqdn: web1.lab.example\n"},
		{"lab", "web1.lab.example", "fqdn: web1.lab.example\n"},
		{"bare", "web1", "fqdn: web1.localdomain\n"},
		{"", "web1", "fqdn: web1.localdomain\n"},
	} {
		text := r.builtin(&instance.Instance{Network: tt.network, Hostname: tt.hostname})
		if !strings.Contains(text, tt.want) {
			t.Errorf("%s on %q: %q is not in\n%s", tt.hostname, tt.network, tt.want, text)
		}
	}
}
