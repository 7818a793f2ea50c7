//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"mdserver/test/lab"
)

// A guest posts its password once; the administrator reads it, after a restart
// of the server too, and another guest learns nothing.
func TestPostedPassword(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	guest, _ := boot(t, l, register(t, s, "web1"))
	other, _ := boot(t, l, register(t, s, "web2"))

	equal(t, "the first answer", post(t, guest, "c2VjcmV0"), "200")
	equal(t, "the second answer", post(t, guest, "b3RoZXI="), "409")
	equal(t, "the answer to too much", post(t, other, strings.Repeat("x", 1021)), "400")
	if err := s.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	start(t, s)
	equal(t, "the password", command(t, s, "instance", "password", "web1"), "c2VjcmV0\n")
	equal(t, "what the guest reads back", get(t, guest, passwordPath), "c2VjcmV0")
	equal(t, "what the other guest reads", get(t, other, passwordPath), "")
	if shown := command(t, s, "instance", "show", "web1", "--json"); strings.Contains(shown, "c2VjcmV0") {
		t.Errorf("the password is in the guest's record as it is shown:\n%s", shown)
	}
	if strings.Contains(l.Logs(), "c2VjcmV0") {
		t.Error("the password is in a log")
	}
}

const passwordPath = "/openstack/2013-04-04/password"

// post posts a password and returns the status of the answer.
func post(t *testing.T, g *lab.Guest, password string) string {
	t.Helper()
	status, err := g.Output(suite.ctx, "curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}",
		"--data-binary", password, "http://"+lab.MetadataAddr+passwordPath)
	if err != nil {
		t.Fatal(err)
	}
	return status
}
