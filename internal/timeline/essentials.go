package timeline

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/api"
)

// essentials are the entries of a boot that the verdict on it and the durations of its
// phases depend on. Boots of a former server have only these in memory until something
// happens to the guest or the others are asked for.
func essentials(all []api.BootEntry) []api.BootEntry {
	kept := make([]api.BootEntry, 0, 8)
	reports := false
	for _, e := range all {
		if isEssential(e) || e.Kind == api.EntryStage && !reports { // the first stage shows that the guest reports
			kept = append(kept, e)
		}
		reports = reports || e.Kind == api.EntryStage
	}
	return slices.Clip(kept)
}

func isEssential(e api.BootEntry) bool {
	switch e.Kind {
	case api.EntryStage:
		isModule := strings.Contains(e.Name, "/")
		return !isModule || e.Result != api.ResultSuccess
	case api.EntryRequest, api.EntryDHCP, api.EntryHostKeys, api.EntryPhoneHome:
		return false
	}
	return true
}

// complete adds the entries to a short boot that are missing, under the lock of the
// guest.
func (l *Log) complete(id uuid.UUID, g *guest) {
	if g.short {
		g.boot.Boot, g.short = l.whole(id, g), false
	}
}

// whole returns a copy of the present boot with all entries, under the lock of the guest.
// If they cannot be read, it has those that are in memory.
func (l *Log) whole(id uuid.UUID, g *guest) api.Boot {
	b := g.boot.copy()
	if !g.short {
		return b
	}
	kept, err := l.archive.Boot(id, b.Number)
	if err != nil {
		l.log.Warn("some entries of a boot cannot be read", "uuid", id, "boot", b.Number, "error", err)
		return b
	}
	b.Entries = kept.Entries
	return b
}
