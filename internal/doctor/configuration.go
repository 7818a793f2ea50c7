package doctor

import (
	"context"
	"log/slog"
)

func checkConfiguration(_ context.Context, h *Host) []Finding {
	if h.problem != nil {
		var all []Finding
		for _, err := range flatten(h.problem) {
			all = append(all, wrong("%v", err).mend("mdserver config check "+quote(h.ConfigFile)))
		}
		return all
	}
	var all []Finding
	for _, w := range h.warnings {
		if w.Level >= slog.LevelWarn {
			all = append(all, warning("%s", w.String()).mend("mdserver config check "+quote(h.ConfigFile)))
		}
	}
	if h.Config.Server.Upload == "local" {
		all = append(all, warning("mdserver.upload is local: every user of this host may register guests; root keeps that to root, and mdserver's own hook needs no upload by TCP"))
	}
	return unless(all, fine("%s holds", h.ConfigFile))
}

// flatten undoes errors.Join.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
