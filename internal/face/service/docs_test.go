package service

import (
	"testing"

	"mdserver/internal/face/facetest"
)

// What can be asked for is in the reference.
func TestDocumented(t *testing.T) { facetest.Documented(t, append(names, "configuration")...) }
