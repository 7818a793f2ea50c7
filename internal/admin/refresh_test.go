package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// A registration chooses addresses on the networks as the refresh leaves them.
func TestRefreshBeforeRegistration(t *testing.T) {
	b := newBackend(t)
	b.Refresh = func(context.Context) {
		b.Inventory.Reconfigure(inventory.Options{Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.9.0.0/24")}}})
	}
	w := httptest.NewRecorder()
	b.Upload(w, httptest.NewRequest(http.MethodPost, "/instance-upload", strings.NewReader(domain("web1", "701", "01", "mds"))))
	guest, ok := b.Inventory.Snapshot().ByName("web1")
	if !ok || !strings.HasPrefix(guest.IPv4.String(), "10.9.0.") {
		t.Errorf("got %+v, answer %d %s", guest, w.Code, w.Body)
	}
}
