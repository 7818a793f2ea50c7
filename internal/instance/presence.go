package instance

import "time"

// Presence is what libvirt last said of a guest. It is zero for a guest that
// libvirt never spoke of, one that was uploaded by hand.
type Presence struct {
	State PresenceState `json:"state"`
	Since time.Time     `json:"since"`
}

// PresenceState is one of the states of a guest with libvirt.
type PresenceState string

// The states of a guest with libvirt.
const (
	Present PresenceState = "present" // defined or running
	Away    PresenceState = "away"    // migrated, or saved to a file: it may come back
	Gone    PresenceState = "gone"    // undefined; it is released when it has rested
)

// Unconfirmed reports whether all that is known of the guest comes from uploads
// by users other than root. Such a guest makes way for every other.
func (i *Instance) Unconfirmed() bool {
	_, local := i.Seen[ByLocal]
	return local && len(i.Seen) == 1
}
