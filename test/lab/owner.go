package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ownerFile, in a lab's directory, says which process made the lab.
const ownerFile = "owner"

func writeOwner(dir string) error {
	id, err := processID(os.Getpid())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ownerFile), []byte(id), 0o644)
}

// sweep removes the labs of programs that were killed before they could call
// Close. Labs that still have their owner are left alone.
func sweep(ctx context.Context) {
	owners, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*", ownerFile))
	for _, file := range owners {
		text, err := os.ReadFile(file)
		var pid int
		if n, _ := fmt.Sscan(string(text), &pid); err != nil || n != 1 {
			continue
		}
		if id, err := processID(pid); err == nil && id == string(text) {
			continue
		}
		dir := filepath.Dir(file)
		id := "mds-" + strings.TrimPrefix(filepath.Base(dir), dirPrefix)
		for _, base := range []string{netnsDir, netnsEtcDir} {
			names, _ := filepath.Glob(filepath.Join(base, id+"-*"))
			for _, n := range names {
				_ = removeNamespace(ctx, filepath.Base(n))
				_ = removeNetnsEtc(filepath.Base(n))
			}
		}
		inMemory, _ := filepath.Glob(filepath.Join(memoryDir, id+"-*"))
		for _, d := range append(inMemory, dir) {
			_ = os.RemoveAll(d)
		}
	}
}

// processID tells a process from a later one with the same number by the time
// it started, field 22 of /proc/PID/stat (proc(5)).
func processID(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is the command in brackets and may hold spaces.
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const start = 22 - 3
	if len(fields) <= start {
		return "", fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	return fmt.Sprintf("%d %s", pid, fields[start]), nil
}
