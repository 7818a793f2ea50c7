package fdtest

import (
	"os"
	"testing"
)

// verdict is a test that notes whether it has failed.
type verdict struct {
	testing.TB
	failed bool
}

func (v *verdict) Errorf(string, ...any) { v.failed = true }

func TestNoneLeft(t *testing.T) {
	for name, closes := range map[string]bool{"closed": true, "left open": false} {
		t.Run(name, func(t *testing.T) {
			v := &verdict{TB: t}
			NoneLeft(v, func() {
				file, err := os.Open(os.DevNull)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = file.Close() })
				if closes {
					_ = file.Close()
				}
			})
			if v.failed == closes {
				t.Errorf("failed: %v", v.failed)
			}
		})
	}
}
