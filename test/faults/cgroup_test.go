//go:build e2e

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// noCgroupEnv says that this machine has no cgroup whose memory can be limited.
const noCgroupEnv = "MDSERVER_SKIP_CGROUP"

// memoryLimits are files that limit the memory of a new cgroup: version 2, then 1.
// Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and
// cgroup-v1/memory.rst.
var memoryLimits = []struct{ root, file string }{
	{"/sys/fs/cgroup", "memory.max"},
	{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
}

// smallMemory is less than a server needs to go on.
const smallMemory = 256 << 10

// memoryCgroup makes a cgroup with little memory, which is removed at the end.
func memoryCgroup(t *testing.T) (dir string) {
	t.Helper()
	for _, limit := range memoryLimits {
		dir := filepath.Join(limit.root, fmt.Sprintf("mdserver-faults-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if set(filepath.Join(dir, limit.file), smallMemory) == nil {
			t.Cleanup(func() { removeCgroup(t, dir) })
			return dir
		}
		_ = os.Remove(dir)
	}
	if os.Getenv(noCgroupEnv) == "1" {
		t.Skip(noCgroupEnv + "=1")
	}
	t.Fatalf("no cgroup can be made whose memory is limited; %s=1 skips this test", noCgroupEnv)
	return ""
}

// set writes a number to a file of a cgroup. It makes none: what is no cgroup has no
// such file.
func set(path string, value int) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(strconv.Itoa(value))
	return errors.Join(err, file.Close())
}

// removeCgroup removes a cgroup, which the kernel allows a while after its last
// process has ended.
func removeCgroup(t *testing.T, dir string) {
	t.Helper()
	var err error
	for range 100 {
		if err = unix.Rmdir(dir); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("remove %s: %v", dir, err)
}

// TestNoMemoryInCgroup has the kernel end servers whose cgroup has no memory left,
// while guests are registered and released.
func TestNoMemoryInCgroup(t *testing.T) {
	dir := memoryCgroup(t)
	s := newSubject(t, nil)
	s.addGuest()
	l := s.startLoad()
	needy := "<domain>" + strings.Repeat("x", 2<<20) // it is read as a whole
	var longest time.Duration
	const rounds = 3
	for range rounds {
		time.Sleep(300 * time.Millisecond)
		if err := set(filepath.Join(dir, "cgroup.procs"), s.Pid()); err != nil {
			t.Fatal(err)
		}
		s.eventually("the kernel ends the server", 20*time.Second, func() error {
			if !s.Alive() {
				return nil
			}
			_, _, _ = s.Upload(context.Background(), needy)
			return errors.New("it runs")
		})
		began := time.Now()
		s.start()
		longest = max(longest, time.Since(began))
	}
	s.recovers()
	l.stop()
	lost, duplicate := l.verify()
	results.add(row{"no memory in the cgroup", len(l.told), lost, duplicate, longest, ""})
}
