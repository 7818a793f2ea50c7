package ec2

import (
	"testing"

	"mdserver/internal/frontend/frontendtest"
)

// namesOf are all names of a tree, whether a guest has them or not.
func namesOf(entries []entry) []string {
	var names []string
	for _, e := range entries {
		names = append(names, e.name)
		names = append(names, namesOf(e.entries)...)
		if e.each != nil {
			names = append(names, namesOf(e.each.entries)...)
		}
	}
	return names
}

// What guests can ask for is in the reference.
func TestDocumented(t *testing.T) {
	frontendtest.Documented(t, namesOf(metaData)...)
	frontendtest.Documented(t, namesOf(dynamic)...)
}
