// Package memorytest gives tests directories in memory.
package memorytest

import (
	"os"
	"testing"
)

// Dir makes a directory for one test, on a file system in memory if the host has one.
// It is for thousands of files that are synced and need not be durable.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "mdserver-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
