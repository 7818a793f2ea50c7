package keys

import (
	"log/slog"
	"strings"
	"testing"

	"mdserver/internal/imds"
)

// TestOpen checks that a host makes its keys at the first start and uses them from then on.
func TestOpen(t *testing.T) {
	h := newHost(t, nil, "")
	h.open()
	first, log := h.keys, h.log.String()
	if text := h.note(tokenKeyName); text != first.TokenKey.Text() || text == imds.NewKey().Text() {
		t.Errorf("the key of tokens is not the one in the database")
	}
	if !strings.Contains(log, "created the key and certificate for identity documents\" path="+h.cfg.Server.Identity) {
		t.Errorf("the log lacks the new authority: %s", log)
	}
	h.open()
	if h.keys.TokenKey.Text() != first.TokenKey.Text() || string(h.keys.Identity.Certificate()) != string(first.Identity.Certificate()) {
		t.Error("the second start has other keys")
	}
	if h.log.Len() > 0 || h.keys.Shared() || h.keys.Trouble() != nil {
		t.Errorf("the second start: shared %v, trouble %v: %s", h.keys.Shared(), h.keys.Trouble(), &h.log)
	}
}

// TestOpenRefuses checks that damaged keys are not replaced by new ones, which guests would
// notice.
func TestOpenRefuses(t *testing.T) {
	for name, harm := range map[string]func(h *host){
		"a damaged key of tokens": func(h *host) { h.set(tokenKeyName, "damaged") },
		"a damaged identity":      func(h *host) { h.setIdentity("damaged") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, nil, "")
			harm(h)
			if _, err := Open(t.Context(), h.cfg, h.database, slog.New(slog.DiscardHandler)); err == nil {
				t.Error("it was opened")
			}
		})
	}
}
