package nocloud

import (
	"testing"

	"mdserver/internal/frontend/frontendtest"
)

// What guests can ask for is in the reference.
func TestDocumented(t *testing.T) { frontendtest.Documented(t, names...) }
