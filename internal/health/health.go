// Package health names what is wrong with a server that runs. Its parts know how
// they do; here is what they have in common, and what the host lacks.
package health

import (
	"time"
)

// Trouble is something that is wrong now, or was and can come back.
type Trouble struct {
	Part    string    `json:"part"` // database, log, disk, libvirt, a network …
	Message string    `json:"message"`
	Since   time.Time `json:"since,omitzero"`
	Look    []string  `json:"look,omitempty"` // commands that show more
}

// String returns the trouble in one line.
func (t Trouble) String() string { return t.Part + ": " + t.Message }
