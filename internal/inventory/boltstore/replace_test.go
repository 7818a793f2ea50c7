package boltstore

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The newest copies of replaced files are kept, the latest one even if the
// clock was set back, and other files are left alone.
func TestKeepFormerIsBounded(t *testing.T) {
	const (
		oldest = ".replaced-20200101T000000.000000Z"
		old    = ".replaced-20200102T000000.000000Z"
		future = ".replaced-29990101T000000.000000Z"
		later  = ".replaced-29990102T000000.000000Z"
		latest = "latest" // stands for the copy that was just made
	)
	tests := []struct {
		name          string
		before, after []string
	}{
		{"none", nil, []string{latest}},
		{"few", []string{oldest, old}, []string{oldest, old, latest}},
		{"many", []string{oldest, old, future}, []string{old, future, latest}},
		{"clock set back", []string{old, future, later}, []string{future, later, latest}},
		{"other files", []string{oldest, old, future, ".replaced-by-hand", ".mark"}, []string{old, future, latest, ".replaced-by-hand", ".mark"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a[b]", "mdserver.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, suffix := range append(tt.before, "") {
				if err := os.WriteFile(path+suffix, []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			former, err := KeepFormer(path)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{path}
			for _, suffix := range tt.after {
				if suffix == latest {
					want = append(want, former)
					continue
				}
				want = append(want, path+suffix)
			}
			slices.Sort(want)
			got, err := filepath.Glob(globEscape(filepath.Dir(path)) + "/*")
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%q, want %q (%v)", got, want, err)
			}
		})
	}
}
