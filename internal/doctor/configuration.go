package doctor

import (
	"context"
	"log/slog"
)

func checkConfiguration(ctx context.Context, h *Host) []Finding {
	if h.problem != nil {
		var all []Finding
		for _, err := range flatten(h.problem) {
			all = append(all, wrong("configuration_invalid", "the configuration is not valid: %v", err).
				advise("change that line; `%s` checks the file", command("mdserver config check %s", h.ConfigFile)))
		}
		return all
	}
	var all []Finding
	for _, w := range h.warnings {
		if w.Level >= slog.LevelWarn {
			all = append(all, warning("configuration_warning", "the configuration has a warning: %s", w.String()).
				advise("change that line; `%s` checks the file", command("mdserver config check %s", h.ConfigFile)))
		}
	}
	if h.Config.Server.Upload == "local" {
		all = append(all, warning("upload_open_to_users", "mdserver.upload is local: every user of this host may register guests; mdserver's own hook needs no upload by TCP").
			change(ctx, h, "mdserver", "upload", "root"))
	}
	return unless(all, fine("%s is valid", h.ConfigFile))
}

// flatten undoes errors.Join.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
