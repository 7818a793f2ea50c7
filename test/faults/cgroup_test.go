//go:build e2e

package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// noCgroupEnv says that this machine has no cgroup whose memory can be limited.
const noCgroupEnv = "MDSERVER_SKIP_CGROUP"

// hierarchy is a tree of cgroups that counts memory. Source: the kernel's
// Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
type hierarchy struct {
	root        string
	limit, swap string // files of a cgroup: bytes of memory; of swap, or of both
	noSwap      int    // what leaves no swap
}

// memoryHierarchy finds the hierarchy that counts memory, below the directory where
// cgroups are mounted: version 2 there, or beside version 1, or version 1.
func memoryHierarchy(mount string) (hierarchy, error) {
	for _, root := range []string{mount, filepath.Join(mount, "unified")} {
		controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
		if err != nil || !slices.Contains(strings.Fields(string(controllers)), "memory") {
			continue
		}
		err = set(filepath.Join(root, "cgroup.subtree_control"), "+memory") // systemd has done so
		return hierarchy{root, "memory.max", "memory.swap.max", 0}, err
	}
	root := filepath.Join(mount, "memory")
	_, err := os.Stat(filepath.Join(root, "memory.limit_in_bytes"))
	return hierarchy{root, "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", smallMemory}, err
}

// smallMemory is less than a server needs to go on.
const smallMemory = 256 << 10

// memoryCgroup makes a cgroup with little memory, which is removed at the end.
func memoryCgroup(t *testing.T) string {
	t.Helper()
	dir, err := limitedCgroup("/sys/fs/cgroup")
	if err == nil {
		t.Cleanup(func() { removeCgroup(t, dir) })
		return dir
	}
	if os.Getenv(noCgroupEnv) == "1" {
		t.Skip(noCgroupEnv + "=1")
	}
	t.Fatalf("no cgroup can be made whose memory is limited: %v; %s=1 skips this test", err, noCgroupEnv)
	return ""
}

func limitedCgroup(mount string) (dir string, err error) {
	h, err := memoryHierarchy(mount)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(h.root, fmt.Sprintf("mdserver-faults-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	err = set(filepath.Join(dir, h.limit), strconv.Itoa(smallMemory))
	if swap := set(filepath.Join(dir, h.swap), strconv.Itoa(h.noSwap)); !errors.Is(swap, fs.ErrNotExist) { // the kernel may not count swap
		err = errors.Join(err, swap)
	}
	if err != nil {
		_ = os.Remove(dir)
		return "", err
	}
	return dir, nil
}

// set writes to a file of a cgroup. It makes none: what is no cgroup has no such
// file.
func set(path, value string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
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

// TestMemoryHierarchy looks at the files of hosts with version 2, version 1 and both.
func TestMemoryHierarchy(t *testing.T) {
	v1 := map[string]string{"memory/memory.limit_in_bytes": "0"}
	v2 := map[string]string{"cgroup.controllers": "cpu io memory pids\n", "cgroup.subtree_control": ""}
	for name, tt := range map[string]struct {
		files       map[string]string
		root, limit string // "" for an error
	}{
		"version 2":                       {v2, ".", "memory.max"},
		"version 1":                       {v1, "memory", "memory.limit_in_bytes"},
		"version 2 beside, with memory":   {map[string]string{"unified/cgroup.controllers": "memory\n", "unified/cgroup.subtree_control": ""}, "unified", "memory.max"},
		"version 2 beside, without":       {map[string]string{"memory/memory.limit_in_bytes": "0", "unified/cgroup.controllers": "hugetlb\n"}, "memory", "memory.limit_in_bytes"},
		"version 2 without memory":        {map[string]string{"cgroup.controllers": "cpu pids\n", "cgroup.subtree_control": ""}, "", ""},
		"version 2 that cannot be set up": {map[string]string{"cgroup.controllers": "memory\n"}, "", ""},
		"none":                            {nil, "", ""},
	} {
		mount := t.TempDir()
		for path, text := range tt.files {
			path = filepath.Join(mount, path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := memoryHierarchy(mount)
		if (err != nil) != (tt.root == "") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err == nil && (got.root != filepath.Join(mount, tt.root) || got.limit != tt.limit) {
			t.Errorf("%s: %s in %s, want %s in %s", name, got.limit, got.root, tt.limit, tt.root)
		}
		control, _ := os.ReadFile(filepath.Join(got.root, "cgroup.subtree_control"))
		if err == nil && tt.limit == "memory.max" && string(control) != "+memory" {
			t.Errorf("%s: memory is not enabled for the cgroups below the root", name)
		}
	}
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
		if err := set(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(s.Pid())); err != nil {
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
