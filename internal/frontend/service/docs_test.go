package service

import (
	"testing"

	"mdserver/internal/frontend/frontendtest"
)

// What can be asked for is in the reference.
func TestDocumented(t *testing.T) { frontendtest.Documented(t, append(names, "configuration")...) }
