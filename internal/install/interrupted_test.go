package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mdserver/internal/roottest"
)

// obstruct puts a file where a directory should be, which stops whoever gets there, and
// returns how to take it away.
func (h *host) obstruct(dir string) (clear func()) {
	h.t.Helper()
	aside := h.path(dir) + ".aside"
	if err := os.Rename(h.path(dir), aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.t.Fatal(err)
	}
	h.write(dir, "in the way\n")
	return func() {
		h.t.Helper()
		h.remove(dir)
		if err := os.Rename(aside, h.path(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.t.Fatal(err)
		}
	}
}

// Wherever an installation fails, the next one goes on from there, also if it is that of
// another version, and a purge leaves nothing of both.
func TestInterruptedInstallation(t *testing.T) {
	for _, dir := range []string{
		"/usr/local/bin", "/usr/local/share/man/man8", shareDir("/usr/local") + "/userdata", userdataDir,
		stateDir, "/etc/tmpfiles.d", "/etc/logrotate.d", unitDir, hooksDir, hooksDir + "/qemu.d",
	} {
		t.Run(dir, func(t *testing.T) {
			h := newHost(t)
			h.opts.Manual = []Page{{Path: "share/man/man8/mdserver.8", Content: []byte("page")}}
			clear := h.obstruct(dir)
			report, err := Install(context.Background(), h.opts)
			if !errors.Is(err, syscall.ENOTDIR) {
				t.Fatalf("installed over a file: %v", err)
			}
			var made []string
			for _, c := range report.Changes {
				if c.Action == Created && !strings.HasSuffix(c.Name, "/") {
					made = append(made, c.Name)
				}
			}
			clear()
			h.newProgram("version 2")
			h.opts.Manual[0].Content = []byte("page 2")
			report = h.install()
			for _, name := range made {
				want := Unchanged
				if name == "/usr/local/bin/mdserver" || strings.HasSuffix(name, ".8") {
					want = Replaced
				}
				wantAction(t, report, name, want)
			}
			h.opts.Purge = true
			h.uninstall()
			h.wantNothing()
		})
	}
}

// wantNothing has nothing be left but directories that a host has anyway.
func (h *host) wantNothing() {
	h.t.Helper()
	if left := h.files(); len(left) > 0 {
		h.t.Errorf("left are %q", slices.Sorted(maps.Keys(left)))
	}
}

// The accounts that an interrupted installation made go with a purge.
func TestInterruptedAccounts(t *testing.T) {
	for fails, want := range map[string][]string{
		dnsmasqUser: {"userdel mdserver"},
		"":          {"userdel mdserver", "userdel mdserver-dnsmasq"},
	} {
		s := newStartable(t)
		s.write("/etc/passwd", rootOnly)
		s.write("/etc/group", "root:x:0:\n")
		clear := func() {}
		if fails == "" {
			clear = s.obstruct("/etc/logrotate.d")
		}
		j := s.job()
		run := j.Run
		j.Run = func(ctx context.Context, name string, args ...string) error {
			if args[len(args)-1] == fails {
				return errors.New("no room")
			}
			return run(ctx, name, args...)
		}
		plan, err := makePlan(j.Options)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.install(t.Context(), plan); err == nil {
			t.Fatalf("%q: installed", fails)
		}
		clear()
		_, ran := s.stop(true)
		ran = slices.DeleteFunc(ran, func(line string) bool { return strings.HasPrefix(line, "systemctl ") })
		if _, err := os.Stat(s.path("/usr")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: directories are left: %v", fails, err)
		}
		if wantCommands(t, ran, want...); len(s.files()) != 2 {
			t.Errorf("%q: left are %q", fails, slices.Sorted(maps.Keys(s.files())))
		}
	}
}

// Uninstall does the rest of one that failed, and nothing twice. The Python mdserver
// comes back.
func TestInterruptedUninstall(t *testing.T) {
	for _, dir := range []string{"/etc/logrotate.d", "/usr/local/share/mdserver/userdata"} {
		s := newStartable(t)
		s.write(unitPath, originalUnit)
		s.write("/usr/local/bin/mdserver", originalProgram)
		s.start(Start{Network: "mds"})
		clear := s.obstruct(dir)
		s.ran = nil
		j := s.job()
		if err := j.uninstall(t.Context()); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("%s: uninstalled: %v", dir, err)
		}
		const stop = "virsh --connect qemu:///system net-destroy mds"
		if !slices.Contains(s.ran, stop) {
			t.Errorf("%s: ran %q", dir, s.ran)
		}
		clear()
		if _, ran := s.stop(false); slices.Contains(ran, stop) {
			t.Errorf("%s: ran a second time: %q", dir, ran)
		}
		if s.read(unitPath) != originalUnit || s.read("/usr/local/bin/mdserver") != originalProgram {
			t.Errorf("%s: the Python mdserver is not back", dir)
		}
		for _, name := range []string{manifestPath("/usr/local"), hookPath, "/etc/logrotate.d/mdserver", "/usr/local/share/mdserver"} {
			if _, err := os.Lstat(s.path(name)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s is left: %v", dir, name, err)
			}
		}
	}
}

// A later purge that fails can be repeated.
func TestInterruptedPurge(t *testing.T) {
	h := newHost(t)
	h.install()
	h.uninstall()
	clear := h.obstruct("/var/log")
	h.opts.Purge = true
	if _, err := Uninstall(context.Background(), h.opts); err == nil || !strings.HasPrefix(err.Error(), "purge: ") {
		t.Errorf("purged: %v", err)
	}
	clear()
	h.uninstall()
	h.wantNothing()
}

// lock makes directories that cannot be written to, and returns how to open them again.
func (h *host) lock(dir string) (open func()) {
	h.t.Helper()
	if err := os.MkdirAll(h.path(dir), 0o755); err != nil {
		h.t.Fatal(err)
	}
	before, err := os.Stat(h.path(dir))
	if err != nil {
		h.t.Fatal(err)
	}
	set := func(mode fs.FileMode) {
		h.t.Helper()
		if err := os.Chmod(h.path(dir), mode); err != nil {
			h.t.Fatal(err)
		}
	}
	set(0o555)
	return func() { set(before.Mode()) }
}

// Where nothing can be written, an installation says so and goes on later. The Python
// mdserver's files come back from any state in between.
func TestLockedInstallation(t *testing.T) {
	for _, dir := range []string{
		"/usr/local/bin", "/usr/local/share", shareDir("/usr/local"), "/etc", etcDir, userdataDir, hooksDir, hooksDir + "/qemu.d", unitDir,
		"/etc/logrotate.d", "/var/lib/libvirt",
	} {
		t.Run(dir, func(t *testing.T) {
			roottest.ObeyModes(t)
			h := originalHost(t)
			h.write(unitDir+"/"+launcherUnit, "the administrator's\n")
			before := h.files()
			open := h.lock(dir)
			if _, err := Install(context.Background(), h.opts); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("installed into a locked directory: %v", err)
			}
			open()
			h.install()
			open = h.lock(dir)
			_, err := Uninstall(context.Background(), h.opts)
			if err != nil && !errors.Is(err, fs.ErrPermission) {
				t.Errorf("uninstalled from a locked directory: %v", err)
			}
			if open(); err != nil {
				h.uninstall()
			}
			after := h.files()
			for name, content := range before {
				if after[name] != content {
					t.Errorf("%s is %q, want %q", name, after[name], content)
				}
			}
			for name := range after {
				if _, there := before[name]; !there && !strings.HasPrefix(name, etcDir) {
					t.Errorf("%s is left", name)
				}
			}
		})
	}
}

// What cannot be read is not judged: it stays, and whoever can read it goes on.
func TestUnreadableFiles(t *testing.T) {
	roottest.ObeyModes(t)
	h := newHost(t)
	h.install()
	if err := os.Chmod(h.path(hookPath), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(context.Background(), h.opts); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("installed: %v", err)
	}
	if _, err := Uninstall(context.Background(), h.opts); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("uninstalled: %v", err)
	}
	if err := os.Chmod(h.path(hookPath), 0o755); err != nil {
		t.Fatal(err)
	}
	h.opts.Purge = true
	h.uninstall()
	h.wantNothing()
}

// A purge of what is locked says so, and is repeated with success.
func TestLockedPurge(t *testing.T) {
	for _, dir := range []string{"/var/log", stateDir, etcDir, userdataDir} {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprint(dir, " later ", later), func(t *testing.T) {
				roottest.ObeyModes(t)
				h := newHost(t)
				h.write(stateDir+"/mdserver.db", "data")
				h.write(logFile, "log")
				h.install()
				if later {
					h.uninstall()
				}
				h.opts.Purge = true
				open := h.lock(dir)
				if _, err := Uninstall(context.Background(), h.opts); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("purged: %v", err)
				}
				open()
				h.uninstall()
				h.wantNothing()
			})
		}
	}
}

// With a full disk, what is there is whole, and more room is all that it takes. A bound of
// the size of files is such a disk for who is not root.
func TestFullDisk(t *testing.T) {
	t.Run("bounded", testBoundedFiles)
	t.Run("small", func(t *testing.T) {
		roottest.Need(t, "mounts a file system")
		runtime.LockOSThread() // the thread ends with the test, and its mounts with it
		err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_FS)
		if err == nil {
			err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		}
		h := newHost(t)
		mount := func(size uint64, flags uintptr) {
			t.Helper()
			if err == nil {
				err = syscall.Mount("tmpfs", h.opts.Root, "tmpfs", flags, fmt.Sprintf("size=%d", size))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		mount(1<<20, 0)
		defer func() { _ = syscall.Unmount(h.opts.Root, 0) }() // so that the directory can be removed
		h.fill(syscall.ENOSPC, 4096, func(size uint64) { mount(size, syscall.MS_REMOUNT) }, func() { mount(1<<20, syscall.MS_REMOUNT) })
	})
}

// testBoundedFiles runs in a process of its own: the bound holds for all of its files.
func testBoundedFiles(t *testing.T) {
	const inChild = "MDSERVER_TEST_BOUNDED"
	if os.Getenv(inChild) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestFullDisk$/^bounded$")
		cmd.Env = append(os.Environ(), inChild+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	bound := func(size uint64) {
		t.Helper()
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: min(size, limit.Max), Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
	}
	newHost(t).fill(syscall.EFBIG, 2000, bound, func() { bound(limit.Cur) })
	for size := uint64(300); size < 1500; size += 300 { // of less than the first file of mdserver's
		h := originalHost(t)
		before := h.files()
		h.newProgram(strings.Repeat("program\n", 200))
		bound(size)
		_, err := Install(context.Background(), h.opts)
		if bound(limit.Cur); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("%d bytes: %v", size, err)
		}
		after := h.files()
		delete(after, manifestPath("/usr/local"))
		if !maps.Equal(before, after) {
			t.Errorf("%d bytes: the Python mdserver's files are %q", size, slices.Sorted(maps.Keys(after)))
		}
	}
}

// fill installs with ever more room until it is enough, and completes each installation
// that has failed.
func (h *host) fill(want error, step uint64, bound func(size uint64), free func()) {
	h.t.Helper()
	h.newProgram(strings.Repeat("program\n", 100))
	full := 0
	for size := step; ; size += step {
		bound(size)
		_, err := Install(context.Background(), h.opts)
		free()
		if err != nil && !errors.Is(err, want) {
			h.t.Fatalf("%d bytes: %v", size, err)
		}
		h.wantWhole()
		h.install()
		h.opts.Purge = true
		h.uninstall()
		h.wantNothing()
		h.opts.Purge = false
		if err == nil {
			break
		}
		full++
	}
	if full < 4 {
		h.t.Errorf("it was full %d times", full)
	}
}

// wantWhole has all files be those of the plan, or the list of them.
func (h *host) wantWhole() {
	h.t.Helper()
	opts := h.opts
	if err := opts.prepare(); err != nil {
		h.t.Fatal(err)
	}
	plan, err := makePlan(opts)
	if err != nil {
		h.t.Fatal(err)
	}
	for name, content := range h.files() {
		i := slices.IndexFunc(plan, func(it item) bool { return it.path == name })
		if name == manifestPath("/usr/local") {
			continue
		}
		if i < 0 || content != plan[i].mode.String()+" "+string(plan[i].content) {
			h.t.Errorf("%s is %q", name, content)
		}
	}
}
