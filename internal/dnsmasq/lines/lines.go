// Package lines passes the log of dnsmasq on: with levels, which dnsmasq does not
// write, and bounded, because its clients can cause any number of lines.
package lines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"mdserver/internal/logging/budget"
	"mdserver/internal/visible"
)

const (
	// longestLine bounds what is kept of one line of dnsmasq's log, in bytes.
	longestLine = 4096
	// longestText bounds what is logged of it.
	longestText = 1024
)

// lineLimit bounds the lines about one DHCP client: a lease costs four lines.
// Clients that are no guests share one budget, since MACs can be made up; so do
// all other lines of one level.
var lineLimit = budget.Limit{Burst: 200, PerMinute: 20}

// Writer takes what dnsmasq writes to standard error. That has no level, so the
// level follows from what a line says.
type Writer struct {
	log     *slog.Logger
	clients Clients
	budget  *budget.Budget[string]

	mu        sync.Mutex
	rest      []byte
	lastError string
}

// New makes a Writer that passes lines to log. The caller closes it.
func New(log *slog.Logger, clients Clients) *Writer {
	report := func(about string, left budget.Left) {
		log.Log(context.Background(), max(left.Level, slog.LevelWarn), "lines of dnsmasq omitted",
			"about", about, "count", left.Count, "since", left.Since.Format(time.RFC3339))
	}
	return &Writer{log: log, clients: clients, budget: budget.New(lineLimit, report)}
}

// Close reports the lines that were omitted.
func (w *Writer) Close() { w.budget.Close() }

// Write takes any piece of the log.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte{'\n'})
		if !whole && len(line) < longestLine {
			return len(p), nil
		}
		w.pass(string(line[:min(len(line), longestLine)]))
		w.rest = append(w.rest[:0], rest...)
	}
}

func (w *Writer) pass(line string) {
	part, text := splitLine(line)
	if text == "" {
		return
	}
	if part == "dnsmasq-dhcp" {
		w.clients.hear(text)
	}
	text = visible.Quotable(text, longestText)
	level := levelOf(text)
	if level >= slog.LevelError {
		w.lastError = text
	}
	about := w.about(text, level)
	if w.log.Enabled(context.Background(), level) && w.budget.Allow(about, level, time.Now()) {
		w.log.Log(context.Background(), level, text, "from", part)
	}
}

// about is the account of a line.
func (w *Writer) about(text string, level slog.Level) string {
	if !dhcpEvent.MatchString(text) {
		return "level " + level.String()
	}
	if guest := w.clients.guest(text); guest != "" {
		return guest
	}
	return "DHCP clients that are not guests"
}

// Explain adds dnsmasq's last complaint to its exit status.
func (w *Writer) Explain(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		err = errors.New("it ended without an error")
	}
	if w.lastError == "" {
		return fmt.Errorf("dnsmasq ended: %w", err)
	}
	return fmt.Errorf("dnsmasq ended: %s: %w", w.lastError, err)
}

// linePrefix is "dnsmasq: ", "dnsmasq[123]: " or "dnsmasq-dhcp[123]: ".
var linePrefix = regexp.MustCompile(`^(dnsmasq(?:-[a-z]+)?)(?:\[\d+\])?: `)

func splitLine(line string) (part, text string) {
	line = strings.TrimSpace(line)
	if m := linePrefix.FindStringSubmatch(line); m != nil {
		return m[1], strings.TrimSpace(line[len(m[0]):])
	}
	return "dnsmasq", line
}

// levels are searched in order; the first whose text occurs decides.
var levels = []struct {
	level slog.Level
	texts []string
}{
	{slog.LevelInfo, []string{"DHCPACK", "DHCPREPLY", "no address available", "no address range available", "no addresses available"}},
	{slog.LevelDebug, []string{"DHCP", "RTR-", "SOLICIT", "query[", "cached ", "reply ", "forwarded "}},
	{slog.LevelError, []string{"failed", "cannot ", "bad ", "error", "duplicate ", "unknown user", "missing required", "illegal "}},
	{slog.LevelWarn, []string{"warning", "not using", "not giving", "Ignoring", "ignoring", "unknown", "maximum number", "lease limit"}},
	{slog.LevelInfo, []string{"started, version"}},
}

// dhcpEvent tells a DHCP message from what is said about DHCP.
var dhcpEvent = regexp.MustCompile(`^(DHCP[A-Z-]+|RTR-[A-Z]+|SOLICIT)\(`)

func levelOf(text string) slog.Level {
	event := dhcpEvent.MatchString(text)
	for _, l := range levels[:2] {
		if event && containsAny(text, l.texts) {
			return l.level
		}
	}
	for _, l := range levels[2:] {
		if containsAny(text, l.texts) {
			return l.level
		}
	}
	return slog.LevelDebug
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
