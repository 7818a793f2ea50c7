package userdata

import (
	"io/fs"
	"syscall"
	"testing"
)

// statInfo is what the kernel says of a file.
type statInfo struct {
	fs.FileInfo
	stat syscall.Stat_t
}

func (s statInfo) Sys() any { return &s.stat }

// Two states of a file differ if any of these fields does. A copy that keeps the size and
// the time of the last change, such as rsync makes, has another ctime.
func TestInode(t *testing.T) {
	file := syscall.Stat_t{Dev: 1, Ino: 2, Size: 3, Mtim: syscall.Timespec{Sec: 4, Nsec: 5}, Ctim: syscall.Timespec{Sec: 6, Nsec: 7}}
	before := inodeOf(statInfo{stat: file})
	if again := inodeOf(statInfo{stat: file}); again != before {
		t.Errorf("%+v, and %+v", again, before)
	}
	for name, change := range map[string]func(*syscall.Stat_t){
		"its device":           func(s *syscall.Stat_t) { s.Dev++ },
		"its inode":            func(s *syscall.Stat_t) { s.Ino++ },
		"its size":             func(s *syscall.Stat_t) { s.Size++ },
		"its mtime":            func(s *syscall.Stat_t) { s.Mtim.Nsec++ },
		"its mtime in seconds": func(s *syscall.Stat_t) { s.Mtim.Sec++ },
		"its ctime":            func(s *syscall.Stat_t) { s.Ctim.Nsec++ },
		"its ctime in seconds": func(s *syscall.Stat_t) { s.Ctim.Sec++ },
	} {
		other := file
		change(&other)
		if inodeOf(statInfo{stat: other}) == before {
			t.Errorf("%s is not seen", name)
		}
	}
}
