package boltstore

import (
	"os"
	"syscall"
)

// likeDatabase gives a new file beside the database to the database's owner, so
// that the server can read what root has written by a command or a start by hand.
// A new database belongs to the user who created it.
func likeDatabase(path, name string) error {
	info, err := os.Stat(path)
	if err != nil {
		return nil // there is no owner to follow
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() {
		return nil
	}
	return os.Chown(name, int(owner.Uid), int(owner.Gid))
}
