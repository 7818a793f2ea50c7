package health

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestJudge(t *testing.T) {
	const dir = "/var/lib/my server"
	readOnly := wrong("the file system of "+dir+" is read-only: changes are refused", []string{"findmnt --target '" + dir + "'", "journalctl -k -n 50"})
	full := wrong("the file system of "+dir+" is full", []string{"df -h '" + dir + "'"})
	noInodes := wrong("the file system of "+dir+" has no free inodes", []string{"df -i '" + dir + "'"})
	nearlyFull := []Trouble{{Part: "disk", State: Warning, Look: []string{"df -h '" + dir + "'"},
		Message: "the file system of " + dir + " is nearly full: 16383 KiB are left"}}
	tests := []struct {
		name string
		space
		want []Trouble
	}{
		{"room", space{free: 1 << 30, files: 1000, someFiles: true}, nil},
		{"files are not counted", space{free: 1 << 30}, nil},
		{"just enough", space{free: 16 << 20, files: 1, someFiles: true}, nil},
		{"read-only", space{readOnly: true, free: 1 << 30, files: 9, someFiles: true}, readOnly},
		{"read-only and full", space{readOnly: true}, readOnly},
		{"full", space{files: 9, someFiles: true}, full},
		{"nearly full", space{free: 16<<20 - 1, files: 9, someFiles: true}, nearlyFull},
		{"no more files", space{free: 1 << 30, someFiles: true}, noInodes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(dir, tt.space); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// What a kernel says of a file system; Btrfs counts no files.
func TestSpaceOf(t *testing.T) {
	for name, tt := range map[string]struct {
		st   unix.Statfs_t
		want space
	}{
		"ext4":      {unix.Statfs_t{Bsize: 4096, Bfree: 9, Bavail: 3, Files: 20, Ffree: 7, Flags: unix.ST_RELATIME}, space{free: 12288, files: 7, someFiles: true}},
		"one file":  {unix.Statfs_t{Bsize: 1, Bavail: 1, Files: 1}, space{free: 1, someFiles: true}},
		"Btrfs":     {unix.Statfs_t{Bsize: 4096, Bavail: 3}, space{free: 12288}},
		"read-only": {unix.Statfs_t{Bsize: 4096, Bavail: 3, Flags: unix.ST_RDONLY | unix.ST_NOSUID}, space{readOnly: true, free: 12288}},
	} {
		if got := spaceOf(tt.st); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestSaturated(t *testing.T) {
	for _, tt := range []struct{ blocks, size, want uint64 }{
		{3, 4096, 12288},
		{3, 0, 0},
		{0, 4096, 0},
		{math.MaxUint64, 1, math.MaxUint64},
		{1 << 63, 2, math.MaxUint64}, // would be 0
		{math.MaxUint64 / 3, 3, math.MaxUint64},
		{math.MaxUint64 / 2, 2, math.MaxUint64 - 1},
	} {
		if got := saturated(tt.blocks, tt.size); got != tt.want {
			t.Errorf("%d blocks of %d bytes are %d bytes, want %d", tt.blocks, tt.size, got, tt.want)
		}
	}
}

func TestExisting(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir: dir, dir + "/a/b": dir, "/": "/", "/no such directory/x": "/", ".": ".", "no such directory/x": ".", "no such directory": ".",
	} {
		if got := existing(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestDiskOfDirectoryThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	if got := Disk(dir + "/not/there"); len(got) != len(Disk(dir)) {
		t.Errorf("%v, want what is wrong with %s", got, dir)
	}
}

// The file system of /proc never has room for a file.
func TestDiskWithoutRoom(t *testing.T) {
	for _, dir := range []string{"/proc", "/proc/not/there"} {
		want := wrong("the file system of "+dir+" is full", []string{"df -h " + dir})
		if got := Disk(dir); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// A directory that is missing does not hide what is wrong with its file system.
func TestDirectoryIsMissingOnAFullDisk(t *testing.T) {
	if got := Directory("/proc/not/there"); len(got) != 2 || !strings.HasSuffix(got[0].Message, "is missing") || !strings.HasSuffix(got[1].Message, "is full") {
		t.Errorf("%+v", got)
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	missing, below := filepath.Join(dir, "missing"), filepath.Join(file, "dir")
	tests := []struct{ name, dir, want string }{
		{"sound", dir, ""},
		{"missing", missing, "the directory " + missing + " is missing"},
		{"below a file", below, "the directory " + below + " cannot be read: stat " + below + ": not a directory"},
		{"a file", file, file + " is not a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkDirectory(t, tt.dir, tt.want) })
	}
	t.Run("not writable", func(t *testing.T) {
		if os.Geteuid() == 0 {
			asUser(t)
			return
		}
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0o555); err != nil {
			t.Fatal(err)
		}
		checkDirectory(t, locked, "the directory "+locked+" cannot be written: permission denied")
		if got := Directory("/proc"); len(got) != 2 || !strings.HasSuffix(got[1].Message, "is full") {
			t.Errorf("a read-only directory on a full disk: %+v", got)
		}
	})
}

func checkDirectory(t *testing.T, dir, want string) {
	t.Helper()
	got := Directory(dir)
	if want == "" {
		if len(got) != 0 {
			t.Errorf("%v", got)
		}
		return
	}
	if first := wrong(want, []string{"ls -ld " + dir}); len(got) == 0 || !reflect.DeepEqual(got[:1], first) {
		t.Errorf("%+v, want %+v", got, first)
	}
}

// asUser runs this test again as a user who may not write everywhere.
func asUser(t *testing.T) {
	const nobody = 65534
	name := filepath.Join(t.TempDir(), "health.test")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, self, 0o755); err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp("/tmp", "health")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(work) })
	if err := os.Chmod(work, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/fd/3", "-test.run", "^TestDirectory$", "-test.v")
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.ExtraFiles = []*os.File{file}
	cmd.Dir, cmd.Env = work, []string{"TMPDIR=" + work}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestDirectory/not_writable") {
		t.Errorf("%v\n%s", err, out)
	}
}
