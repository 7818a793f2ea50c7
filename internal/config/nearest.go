package config

import (
	"strings"

	"mdserver/internal/nearest"
)

// nearestKey completes "unknown key" with what was probably meant: a key of the
// same name in another section, else the key that takes the fewest changes.
func nearestKey(section, name string) string {
	best, least := "", len(name)/2+2
	for i := range table {
		k := &table[i]
		if k.rest != nil {
			continue
		}
		d := nearest.Distance(name, k.name)
		switch {
		case k.section == section: // likelier than one of another section
		case d == 0:
			d = 1
		default:
			d += 2
		}
		if d < least {
			best, least = k.full(), d
		}
	}
	return meant(best)
}

func nearestSection(name string) string {
	best, least := "", len(name)/2+2
	for _, s := range sections {
		if d := nearest.Distance(strings.ToLower(name), s.name); d < least {
			best, least = "["+s.name+"]", d
		}
	}
	return meant(best)
}

func meant(best string) string {
	if best == "" {
		return ""
	}
	return ", the nearest known one is " + best
}
