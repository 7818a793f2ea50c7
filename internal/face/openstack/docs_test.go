package openstack

import (
	"testing"

	"mdserver/internal/face/facetest"
)

// What guests can ask for is in the reference.
func TestDocumented(t *testing.T) {
	for _, f := range files {
		facetest.Documented(t, f.name)
	}
}
