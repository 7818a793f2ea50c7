// Package logging is the server's log. It has two targets, a stream and a file,
// which nothing waits for, and it bounds what others can write to it.
package logging

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/httpcommon"
	"mdserver/internal/logging/queue"
)

// Log is the log with its two targets. Each has its level, and the base level
// comes before both, as [loglevels] describes.
type Log struct {
	logger       *slog.Logger
	stream, file slog.LevelVar
	out          *reopenable
	budgets      *budgets

	toStream, toFile *queue.Queue
	writeRequest     httpcommon.LogFunc
}

// flushTime is how long a caller waits for a writer of the log.
const flushTime = time.Second

// off is above every level that is used.
const off = slog.Level(100)

// Open makes the log of a configuration; stdout is its stream. A file that cannot
// be opened is reported on the stream. The caller closes the log.
func Open(cfg *config.Config, stdout io.Writer) *Log {
	l := &Log{out: &reopenable{}}
	l.toStream = queue.New(stdout, func(lost uint64) { l.tellLost("stream", lost) })
	l.toFile = queue.New(l.out, func(lost uint64) { l.tellLost("logfile", lost) })
	l.setLevels(cfg)
	format := cfg.LogLevels.LogFormat
	unbounded := slog.New(slog.NewMultiHandler(
		newHandler(l.toStream, format, &l.stream),
		newHandler(l.toFile, format, &l.file),
	))
	l.budgets = newBudgets(unbounded)
	l.logger = slog.New(&budgeted{unbounded.Handler(), l.budgets})
	l.writeRequest = httpcommon.LogTo(unbounded)
	l.reopen(cfg)
	return l
}

// Logger returns the log for messages.
func (l *Log) Logger() *slog.Logger { return l.logger }

// Stream returns how the stream takes lines.
func (l *Log) Stream() queue.Status { return l.toStream.Status() }

// File returns how the log file takes lines.
func (l *Log) File() queue.Status { return l.toFile.Status() }

// Request logs a request, unless its sender has used up its budget of lines.
func (l *Log) Request(r *http.Request, a httpcommon.Answer) {
	level := a.Level()
	if level < min(l.stream.Level(), l.file.Level()) || !l.budgets.allowRequest(a, level) {
		return
	}
	l.writeRequest(r, a)
}

// Reload takes over the levels and the file of another configuration, and opens
// the file again. The format of lines stays what it was at the start.
func (l *Log) Reload(cfg *config.Config) {
	l.setLevels(cfg)
	l.reopen(cfg)
}

func (l *Log) setLevels(cfg *config.Config) {
	base, stream, file := cfg.LogLevels.Base, cfg.LogLevels.Stream, cfg.LogLevels.File
	if cfg.Server.Debug {
		base, stream, file = slog.LevelDebug, slog.LevelDebug, slog.LevelDebug
	}
	l.stream.Set(max(base, stream))
	l.file.Set(max(base, file))
}

// reopen opens the log file again, as after a rotation. A file that cannot be
// opened does not keep the server from running: the stream has everything.
func (l *Log) reopen(cfg *config.Config) {
	l.toFile.Flush(flushTime)
	if err := l.out.open(cfg.Server.LogFile); err != nil {
		l.logger.Warn("no log file: messages go to the stream only", "error", err)
	}
	if cfg.Server.LogFile == "" {
		l.file.Set(off)
	}
}

// tellLost is called when a target takes lines again.
func (l *Log) tellLost(target string, lost uint64) {
	l.logger.Warn("lines are missing from the log: they could not be written", "target", target, "count", lost)
}

// Close tells what was left out, writes the lines that wait and closes the log
// file.
func (l *Log) Close() {
	l.budgets.close()
	l.toStream.Close(flushTime)
	l.toFile.Close(flushTime)
	_ = l.out.open("")
}
