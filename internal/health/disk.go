package health

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// low is how much space a file system needs for what the server writes: the
// database is copied when its format changes.
const low = 16 << 20

// Disk returns what is wrong with the file system of a directory that the server
// writes to, which holds what the part needs. A directory that is not there is
// judged by the one above.
func Disk(part, dir string) []Trouble {
	at := existing(dir)
	var fs unix.Statfs_t
	if err := unix.Statfs(at, &fs); err != nil {
		return []Trouble{{Part: part, Message: fmt.Sprintf("the file system of %s: %v", dir, err)}}
	}
	return judge(part, dir, space{
		readOnly: fs.Flags&unix.ST_RDONLY != 0,
		free:     saturated(fs.Bavail, uint64(fs.Bsize)),
		files:    fs.Ffree, someFiles: fs.Files > 0,
	})
}

// space is what a file system has left.
type space struct {
	readOnly  bool
	free      uint64 // bytes, for users other than root
	files     uint64
	someFiles bool // it counts files
}

func judge(part, dir string, s space) []Trouble {
	look := []string{"df -h " + dir}
	switch {
	case s.readOnly:
		return []Trouble{{Part: part, Message: "the file system of " + dir + " is read-only: no change can be kept",
			Look: []string{"findmnt --target " + dir, "journalctl -k -n 50"}}}
	case s.free == 0:
		return []Trouble{{Part: part, Message: "the file system of " + dir + " is full", Look: look}}
	case s.free < low:
		return []Trouble{{Part: part, Message: fmt.Sprintf("the file system of %s is nearly full: %d KiB are left", dir, s.free>>10), Look: look}}
	case s.someFiles && s.files == 0:
		return []Trouble{{Part: part, Message: "the file system of " + dir + " has no room for another file", Look: []string{"df -i " + dir}}}
	}
	return nil
}

func saturated(blocks, size uint64) uint64 {
	if size > 0 && blocks > math.MaxUint64/size {
		return math.MaxUint64
	}
	return blocks * size
}

// existing returns the directory, or the nearest one above that is there.
func existing(dir string) string {
	for dir != "/" && dir != "." {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return dir
}
