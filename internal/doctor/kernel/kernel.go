// Package kernel reads what the kernel shows of this host: processes, sockets,
// network interfaces, routes and spanning trees.
package kernel

import "io/fs"

// Reader reads /proc and /sys below this host's root directory.
type Reader struct {
	Root fs.FS
}

func (r Reader) exists(path string) bool {
	_, err := fs.Stat(r.Root, path)
	return err == nil
}
