package health

import (
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	tests := []struct {
		name string
		space
		want string // empty: nothing is wrong
	}{
		{"room", space{free: 1 << 30, files: 1000, someFiles: true}, ""},
		{"files are not counted", space{free: 1 << 30}, ""},
		{"read-only", space{readOnly: true, free: 1 << 30, files: 9, someFiles: true}, "is read-only"},
		{"full", space{files: 9, someFiles: true}, "is full"},
		{"nearly full", space{free: 15 << 20, files: 9, someFiles: true}, "nearly full: 15360 KiB are left"},
		{"no more files", space{free: 1 << 30, someFiles: true}, "no room for another file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := judge("database", "/var/lib/mdserver", tt.space)
			if tt.want == "" {
				if len(got) != 0 {
					t.Errorf("%v", got)
				}
				return
			}
			if len(got) != 1 || !strings.Contains(got[0].String(), tt.want) || !strings.Contains(got[0].String(), "/var/lib/mdserver") || len(got[0].Look) == 0 {
				t.Errorf("%+v, want %q", got, tt.want)
			}
		})
	}
}

func TestDiskOfDirectoryThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	if got := Disk("log", dir+"/not/there"); len(got) != len(Disk("log", dir)) {
		t.Errorf("%v, want what is wrong with %s", got, dir)
	}
}
