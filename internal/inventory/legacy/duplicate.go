package legacy

import (
	"fmt"
	"slices"

	"mdserver/internal/instance"
)

// indexed is a guest with its place in the file.
type indexed struct {
	index int
	guest instance.Instance
}

// lastWins drops guests that share a name, UUID, MAC address or address with a
// later one: the Python mdserver looked its entries up in indices that later
// entries overwrote.
func lastWins(guests []indexed) ([]instance.Instance, []Skipped) {
	seen := map[[2]string]int{} // key and value → place of the entry that has it
	var kept []instance.Instance
	var skipped []Skipped
	for _, g := range slices.Backward(guests) {
		if field, winner, ok := clash(seen, g.guest); ok {
			skipped = append(skipped, Skipped{g.index, g.guest.Name, field,
				fmt.Sprintf("entry %d has the same; the last one is used", winner), true})
			continue
		}
		for _, key := range identity(g.guest) {
			seen[key] = g.index
		}
		kept = append(kept, g.guest)
	}
	slices.Reverse(kept)
	slices.Reverse(skipped)
	return kept, skipped
}

func clash(seen map[[2]string]int, guest instance.Instance) (field string, winner int, ok bool) {
	for _, key := range identity(guest) {
		if winner, ok := seen[key]; ok {
			return key[0], winner, true
		}
	}
	return "", 0, false
}

// identity is all that no two guests may have in common.
func identity(guest instance.Instance) [][2]string {
	keys := [][2]string{{keyName, guest.Name}, {keyUUID, guest.UUID.String()}}
	if !guest.MAC.IsZero() {
		keys = append(keys, [2]string{keyMAC, guest.MAC.String()})
	}
	if guest.IPv4.IsValid() {
		keys = append(keys, [2]string{keyIPv4, guest.IPv4.String()})
	}
	if guest.IPv6.IsValid() {
		keys = append(keys, [2]string{keyIPv6, guest.IPv6.String()})
	}
	return keys
}
