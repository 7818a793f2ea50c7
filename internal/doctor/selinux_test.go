package doctor

import (
	"os"
	"path/filepath"
	"testing"
)

// fakePrograms puts shell scripts in front of the search path.
func fakePrograms(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, body := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestSELinux(t *testing.T) {
	for _, test := range []struct {
		mode, boolean string
		want          State
	}{
		{"exit 1", "exit 1", OK},
		{"echo Permissive", "exit 1", OK},
		{"echo Enforcing", "echo 'virt_hooks_unconfined --> off'", Warning},
		{"echo Enforcing", "echo 'virt_hooks_unconfined --> on'", OK},
		{"echo Enforcing", "exit 1", Unknown},
	} {
		fakePrograms(t, map[string]string{"getenforce": test.mode, "getsebool": test.boolean})
		if got := checkSELinux(t.Context(), nil); len(got) != 1 || got[0].State != test.want {
			t.Errorf("%+v: %+v", test, got)
		}
	}
}
