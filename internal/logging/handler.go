package logging

import (
	"context"
	"io"
	"log/slog"
	"time"

	"mdserver/internal/visible"
)

// budgeted is a log in which what guests, domains and strangers cause is
// bounded. Such a record is known by a field that names them.
type budgeted struct {
	slog.Handler
	budgets *budgets
}

// Handle implements slog.Handler.
func (h *budgeted) Handle(ctx context.Context, r slog.Record) error {
	if about, caused := causer(r); caused && !h.budgets.events.Allow(event{r.Message, about}, r.Level, time.Now()) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *budgeted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &budgeted{h.Handler.WithAttrs(attrs), h.budgets}
}

// WithGroup implements slog.Handler.
func (h *budgeted) WithGroup(name string) slog.Handler {
	return &budgeted{h.Handler.WithGroup(name), h.budgets}
}

// newHandler makes the handler of a target in a format. It writes one line of
// visible characters for each record, with any content of the fields.
func newHandler(w io.Writer, format string, level slog.Leveler) slog.Handler {
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: visible.Attr}
	if format == "json" {
		return slog.NewJSONHandler(visible.JSON{W: w}, opts)
	}
	return slog.NewTextHandler(w, opts)
}
