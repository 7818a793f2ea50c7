package health

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestJudge(t *testing.T) {
	tests := []struct {
		name string
		space
		state State
		want  string
	}{
		{"room", space{free: 1 << 30, files: 1000, someFiles: true}, OK, ""},
		{"files are not counted", space{free: 1 << 30}, OK, ""},
		{"read-only", space{readOnly: true, free: 1 << 30, files: 9, someFiles: true}, Wrong, "is read-only"},
		{"full", space{files: 9, someFiles: true}, Wrong, "is full"},
		{"nearly full", space{free: 15 << 20, files: 9, someFiles: true}, Warning, "nearly full: 15360 KiB are left"},
		{"no more files", space{free: 1 << 30, someFiles: true}, Wrong, "no free inodes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := judge("/var/lib/mdserver", tt.space)
			if tt.state == OK {
				if len(got) != 0 {
					t.Errorf("%v", got)
				}
				return
			}
			if len(got) != 1 || got[0].State != tt.state || !strings.Contains(got[0].String(), tt.want) || !strings.Contains(got[0].String(), "/var/lib/mdserver") || len(got[0].Look) == 0 {
				t.Errorf("%+v, want %q", got, tt.want)
			}
		})
	}
}

func TestDiskOfDirectoryThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	if got := Disk(dir + "/not/there"); len(got) != len(Disk(dir)) {
		t.Errorf("%v, want what is wrong with %s", got, dir)
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, dir, want string }{
		{"sound", dir, ""},
		{"missing", filepath.Join(dir, "missing"), "is missing"},
		{"below a file", filepath.Join(file, "dir"), "not a directory"},
		{"a file", file, "is not a directory"},
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
		checkDirectory(t, locked, "cannot be written: permission denied")
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
	if len(got) == 0 || got[0].State != Wrong || !strings.Contains(got[0].Message, want) || len(got[0].Look) == 0 {
		t.Errorf("%+v, want %q", got, want)
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
