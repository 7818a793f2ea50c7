package storage

import "strings"

// Notes in the database of a host with what it needs while etcd does not answer.
const (
	SparesNote   = "etcd/spares"    // its spare addresses
	UnsharedNote = "etcd/unshared/" // + UUID: a record that is not in etcd yet
)

// IsMomentary reports whether a note is true only of this moment, so that a backup must not
// have it. An older one could give an address to two guests.
func IsMomentary(key string) bool {
	return key == SparesNote || strings.HasPrefix(key, UnsharedNote)
}
