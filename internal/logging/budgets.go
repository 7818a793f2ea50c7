package logging

import (
	"context"
	"log/slog"
	"time"

	"mdserver/internal/httpcommon"
	"mdserver/internal/logging/budget"
	"mdserver/internal/visible"
)

// A booting guest sends some hundred requests at most, and all of them are
// logged. One that asks all the time has a line a second.
var requestLines = budget.Limit{Burst: 600, PerMinute: 60}

// eventLines bounds each message about each guest: warnings repeat.
var eventLines = budget.Limit{Burst: 60, PerMinute: 10}

// budgets bound what others can write to the log: requests by their sender,
// everything else by the message and the guest that it is about.
type budgets struct {
	requests *budget.Budget[sender]
	events   *budget.Budget[event]
}

// longestAccount bounds what is kept of a name, in bytes.
const longestAccount = 256

// sender of requests. The zero sender is all that are no guest.
type sender struct {
	guest string
	local bool // this host
}

func (s sender) String() string {
	switch {
	case s.guest != "":
		return "guest"
	case s.local:
		return "this host"
	}
	return "strangers"
}

// event is a message about a guest, a domain or, if about is empty, strangers.
type event struct{ message, about string }

// newBudgets reports what is left out to a log that has no budget.
func newBudgets(log *slog.Logger) *budgets {
	left := func(message string, l budget.Left, args ...any) {
		args = append(args, "count", l.Count, "since", l.Since.Format(time.RFC3339))
		log.Log(context.Background(), max(l.Level, slog.LevelWarn), message, args...)
	}
	return &budgets{
		requests: budget.New(requestLines, func(s sender, l budget.Left) {
			left("request lines omitted", l, "from", s.String(), "guest", s.guest)
		}),
		events: budget.New(eventLines, func(e event, l budget.Left) {
			left("lines omitted", l, "message", e.message, "guest", e.about)
		}),
	}
}

func (b *budgets) allowRequest(a httpcommon.Answer, level slog.Level) bool {
	return b.requests.Allow(sender{a.Guest(), a.Caller.IsLocal()}, level, a.At)
}

func (b *budgets) close() {
	b.requests.Close()
	b.events.Close()
}

// causer returns the guest or sender that a record is about. Addresses and MACs do
// not count: senders can invent them.
func causer(r slog.Record) (about string, caused bool) {
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "guest", "domain", "uuid":
			about, caused = visible.Quotable(a.Value.String(), longestAccount), true
			return false
		case "client", "mac":
			caused = true
		}
		return true
	})
	return about, caused
}
