package config

import (
	"strings"
	"testing"
)

func TestRegionFollowsLocation(t *testing.T) {
	for location, want := range map[string]string{
		"kvm1": "kvm1", "Rack 4, Hall B": "rack-4--hall-b", "Köln": "k-ln", "東京": "local", "": "local",
		strings.Repeat("x", 80): strings.Repeat("x", 62),
	} {
		c, _ := mustLoad(t, "[service]\nlocation = "+location+"\n")
		if c.Service.Region != want || c.Service.AvailabilityZone != want+"a" {
			t.Errorf("%q gives the region %q and the zone %q, want %q", location, c.Service.Region, c.Service.AvailabilityZone, want)
		}
	}
}
