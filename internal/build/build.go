// Package build tells which mdserver this is: its version and date, as the go
// command recorded them when it built the program.
package build

import (
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/mod/module"
)

// Version and Date are the tag of the commit that was built, without its v, and
// the day of that commit.
var Version, Date = built(debug.ReadBuildInfo())

// built returns "0.0.0-devel" and "unknown" for a build outside of a
// repository.
func built(info *debug.BuildInfo, ok bool) (version, date string) {
	version, date = "0.0.0-devel", "unknown"
	if !ok || !strings.HasPrefix(info.Main.Version, "v") {
		return version, date
	}
	version = strings.TrimPrefix(info.Main.Version, "v")
	if commit, err := module.PseudoVersionTime(info.Main.Version); err == nil {
		return version, commit.Format(time.DateOnly)
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.time" {
			date, _, _ = strings.Cut(setting.Value, "T")
		}
	}
	return version, date
}
