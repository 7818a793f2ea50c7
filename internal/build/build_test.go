package build

import (
	"runtime/debug"
	"testing"
)

func TestBuilt(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.time", Value: "2026-11-24T10:00:00Z"}}
	tests := []struct {
		name, module  string
		settings      []debug.BuildSetting
		version, date string
	}{
		{"a tag", "v1.2.3", commit, "1.2.3", "2026-11-24"},
		{"a tag with changes", "v1.2.3+dirty", commit, "1.2.3+dirty", "2026-11-24"},
		{"after a tag", "v1.2.4-0.20261124100000-984f8f6d8cbf", nil, "1.2.4-0.20261124100000-984f8f6d8cbf", "2026-11-24"},
		{"no tag", "v0.0.0-20261124100000-984f8f6d8cbf", commit, "0.0.0-20261124100000-984f8f6d8cbf", "2026-11-24"},
		{"no repository", "(devel)", nil, "0.0.0-devel", "unknown"},
		{"a test", "", nil, "0.0.0-devel", "unknown"},
		{"a module of the proxy", "v1.2.3", nil, "1.2.3", "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info := &debug.BuildInfo{Main: debug.Module{Version: tt.module}, Settings: tt.settings}
			if version, date := built(info, true); version != tt.version || date != tt.date {
				t.Errorf("got %q, %q; want %q, %q", version, date, tt.version, tt.date)
			}
		})
	}
	if version, date := built(nil, false); version != "0.0.0-devel" || date != "unknown" {
		t.Errorf("without build information: %q, %q", version, date)
	}
}
