package nocloud

import (
	"testing"

	"mdserver/internal/face/facetest"
)

// What guests can ask for is in the reference.
func TestDocumented(t *testing.T) { facetest.Documented(t, names...) }
