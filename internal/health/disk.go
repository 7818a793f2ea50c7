package health

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"mdserver/internal/shell"
)

// low is how much space a file system needs for what the server writes: the
// database is copied when its format changes.
const low = 16 << 20

// disk is the part of the server whose health this file judges.
const disk = "disk"

// Directory returns what is wrong with a directory that the server writes to, and
// with its file system.
func Directory(dir string) []Trouble {
	look := []string{"ls -ld " + shell.Quote(dir)}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return append(wrong("the directory "+dir+" is missing", look), Disk(dir)...)
	case err != nil:
		return wrong("the directory "+dir+" cannot be read: "+err.Error(), look)
	case !info.IsDir():
		return wrong(dir+" is not a directory", look)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil && !errors.Is(err, unix.EROFS) {
		return append(wrong("the directory "+dir+" cannot be written: "+err.Error(), look), Disk(dir)...)
	}
	return Disk(dir)
}

func wrong(message string, look []string) []Trouble {
	return []Trouble{{Part: disk, State: Wrong, Message: message, Look: look}}
}

// Disk returns what is wrong with the file system of a directory that the server
// writes to. A directory that is not there is judged by the one above.
func Disk(dir string) []Trouble {
	at := existing(dir)
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return wrong(fmt.Sprintf("the file system of %s: %v", dir, err), nil)
	}
	return judge(dir, spaceOf(st))
}

// space is what a file system has left.
type space struct {
	readOnly  bool
	free      uint64 // bytes, for users other than root
	files     uint64
	someFiles bool // it counts files
}

func spaceOf(st unix.Statfs_t) space {
	return space{
		readOnly: st.Flags&unix.ST_RDONLY != 0,
		free:     saturated(st.Bavail, uint64(st.Bsize)),
		files:    st.Ffree, someFiles: st.Files > 0,
	}
}

func judge(dir string, s space) []Trouble {
	at := shell.Quote(dir)
	switch {
	case s.readOnly:
		return wrong("the file system of "+dir+" is read-only: changes are refused", []string{"findmnt --target " + at, "journalctl -k -n 50"})
	case s.free == 0:
		return wrong("the file system of "+dir+" is full", []string{"df -h " + at})
	case s.someFiles && s.files == 0:
		return wrong("the file system of "+dir+" has no free inodes", []string{"df -i " + at})
	case s.free < low:
		return []Trouble{{Part: disk, State: Warning, Look: []string{"df -h " + at},
			Message: fmt.Sprintf("the file system of %s is nearly full: %d KiB are left", dir, s.free>>10)}}
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
