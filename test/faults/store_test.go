//go:build e2e

package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// commitCalls are the system calls that opening the database and a commit
// make, with the errors that they can give.
var commitCalls = []struct{ call, err string }{
	{"pwrite64", "EIO"}, {"pwrite64", "ENOSPC"}, {"fdatasync", "EIO"}, {"fdatasync", "ENOSPC"},
	{"fsync", "EIO"}, {"ftruncate", "ENOSPC"}, {"ftruncate", "EIO"}, {"mmap", "ENOMEM"}, {"munmap", "EINVAL"},
	{"openat", "EMFILE"}, {"openat", "EIO"}, {"renameat", "EIO"}, {"flock", "EIO"}, {"write", "ENOSPC"},
}

// TestFailingCalls makes each call fail, once at different times and for ever
// from some time on. What was answered is so after a restart.
func TestFailingCalls(t *testing.T) {
	for _, c := range commitCalls {
		for _, when := range []string{"1", "2", "3", "4", "5", "7", "9", "14", "20", "31", "6+", "15+"} {
			t.Run(fmt.Sprintf("%s %s at %s", c.call, c.err, when), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "inventory.db")
				o := runWorker(t, path, 0, "strace", "-f", "--seccomp-bpf", "-qq", "-o", os.DevNull,
					"-P", path, "-P", path+".new", "-P", path+".mark", "-P", filepath.Dir(path),
					"-e", "trace="+c.call, "-e", fmt.Sprintf("inject=%s:error=%s:when=%s", c.call, c.err, when))
				t.Logf("opened: %v; %v", o.opened, o.told)
				verify(t, path, o)
			})
		}
	}
}

// TestFullDiskAtStart: a database that is there is served, and changes are
// refused.
func TestFullDiskAtStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.db")
	before := runWorker(t, path, 0)
	verify(t, path, before)
	o := runWorker(t, path, 0, "strace", "-f", "--seccomp-bpf", "-qq", "-o", os.DevNull, "-P", path, "-P", path+".new",
		"-e", "trace=pwrite64", "-e", "inject=pwrite64:error=ENOSPC:when=1+")
	if !o.opened || len(o.seen) != len(before.seen) {
		t.Errorf("opened: %v, %d guests are served, want %d\n%s", o.opened, len(o.seen), len(before.seen), o.log)
	}
	verify(t, path, outcome{told: before.told})
}

// TestKilled ends the worker without warning after a random number of answers.
func TestKilled(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 30 {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "inventory.db")
			verify(t, path, runWorker(t, path, 1+random.IntN(steps)))
		})
	}
}
