package admin

import (
	"errors"
	"net/http"
	"testing"

	"mdserver/internal/client"
)

// A guest's new instance-id is answered and shown from then on, and its
// password goes with the old one.
func TestReprovision(t *testing.T) {
	b := newBackend(t)
	c := serveSocket(t, b)
	registered, err := c.Register(t.Context(), []byte(domain("win1", "701", "01", "mds")))
	if err != nil {
		t.Fatal(err)
	}
	old := registered.Instance
	if err := b.Inventory.SetPassword(t.Context(), old.UUID, "c2VjcmV0"); err != nil {
		t.Fatal(err)
	}
	changed, err := c.Reprovision(t.Context(), "win1")
	if err != nil || changed.ID == old.ID || changed.UUID != old.UUID {
		t.Fatalf("%+v, %v", changed, err)
	}
	if shown, err := c.Instance(t.Context(), "win1"); err != nil || shown.ID != changed.ID {
		t.Errorf("shown %+v, %v", shown, err)
	}
	if _, err := c.Password(t.Context(), "win1"); err == nil {
		t.Error("the old system's password is still there")
	}
	var refusal *client.Error
	if _, err := c.Reprovision(t.Context(), "nobody"); !errors.As(err, &refusal) || refusal.Status != http.StatusNotFound {
		t.Errorf("of nobody: %v", err)
	}
}
