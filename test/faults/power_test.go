//go:build e2e

package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPowerLoss takes the power away from a host whose database is being changed.
// The database is on a file system of its own, whose image is copied at that
// moment: the copy has what was synced, and the journal, but not what the kernel
// was still to write.
func TestPowerLoss(t *testing.T) {
	rounds := rounds(t, 12)
	random := newRandom(t)
	answers, lost, duplicate, longest := 0, 0, 0, time.Duration(0)
	for n := range rounds {
		t.Run(fmt.Sprint("round ", n), func(t *testing.T) {
			image := newImage(t, "before.img")
			before := mounted(t, image, "commit=300")
			o := runWorker(t, filepath.Join(before, "inventory.db"), 1+random.IntN(steps))
			if err := os.WriteFile(filepath.Join(before, "unsynced"), garbage(), 0o600); err != nil {
				t.Fatal(err)
			}
			copied := copyOf(t, image)
			after := mounted(t, copied, "sync")
			if text, err := os.ReadFile(filepath.Join(after, "unsynced")); err == nil && len(text) > 0 {
				t.Fatal("the copy has what was not synced: it is none of a power loss")
			}
			l, d, took := verify(t, filepath.Join(after, "inventory.db"), o)
			answers, lost, duplicate, longest = answers+len(o.told), lost+l, duplicate+d, max(longest, took)
		})
	}
	results.add(row{fmt.Sprintf("%d power losses", rounds), answers, lost, duplicate, longest, ""})
}

// newImage makes the image of an empty file system.
func newImage(t *testing.T, name string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, diskSize); err != nil {
		t.Fatal(err)
	}
	if err := command("mkfs.ext4", "-q", "-m", "0", image); err != nil {
		t.Fatal(err)
	}
	return image
}

// mounted returns the directory where an image is mounted until the test ends.
func mounted(t *testing.T, image, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := command("mount", "-o", "loop,"+options, image, dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command("umount", dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func copyOf(t *testing.T, image string) string {
	t.Helper()
	text, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "after.img")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newRandom makes random numbers by a seed that the test's log has.
func newRandom(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
