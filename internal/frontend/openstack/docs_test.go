package openstack

import (
	"testing"

	"mdserver/internal/frontend/frontendtest"
)

// What guests can ask for is in the reference.
func TestDocumented(t *testing.T) {
	for _, f := range files {
		frontendtest.Documented(t, f.name)
	}
}
