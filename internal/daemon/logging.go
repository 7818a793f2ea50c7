package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/internal/config"
	"mdserver/internal/httpcommon"
	"mdserver/internal/logqueue"
	"mdserver/internal/visible"
)

// logging is the log with its two targets, the stream and the file. Each has
// its level, and the base level comes before both, as [loglevels] describes.
// What others cause is bounded: see budgets.
type logging struct {
	logger       *slog.Logger
	stream, file slog.LevelVar
	out          *reopenable
	budgets      *budgets

	toStream, toFile *logqueue.Queue
	writeRequest     httpcommon.Tell
}

// flushTime is how long a writer of the log may take where somebody waits for it.
const flushTime = time.Second

// off is above every level that is used.
const off = slog.Level(100)

func openLogs(cfg *config.Config, stdout io.Writer) *logging {
	l := &logging{out: &reopenable{}}
	l.toStream = logqueue.New(stdout, func(lost uint64) { l.tellLost("stream", lost) })
	l.toFile = logqueue.New(l.out, func(lost uint64) { l.tellLost("logfile", lost) })
	l.setLevels(cfg)
	make := handlerMaker(cfg.LogLevels.LogFormat)
	unbounded := slog.New(&targets{
		both:   make(io.MultiWriter(l.toStream, l.toFile), nil), // see targets.Handle for its level
		stream: make(l.toStream, &l.stream),
		file:   make(l.toFile, &l.file),
		hurry:  l.hurry,
	})
	l.budgets = newBudgets(unbounded)
	l.logger = slog.New(&budgeted{unbounded.Handler(), l.budgets})
	l.writeRequest = httpcommon.LogTo(unbounded)
	if cfg.LogLevels.LogFormat == "text" {
		l.writeRequest = l.requestText
	}
	l.reopen(cfg)
	return l
}

// request logs a request, unless its sender has used up its budget of lines.
func (l *logging) request(r *http.Request, a httpcommon.Answer) {
	level := a.Level()
	if level < min(l.stream.Level(), l.file.Level()) || !l.budgets.allowRequest(a, level) {
		return
	}
	l.writeRequest(r, a)
}

// requestText is httpcommon.LogTo for the text format, made once for both targets and
// without a Record.
func (l *logging) requestText(r *http.Request, a httpcommon.Answer) {
	level := a.Level()
	stream, file := level >= l.stream.Level(), level >= l.file.Level()
	var space [512]byte
	line := httpcommon.AppendLine(space[:0], r, a)
	if stream {
		_, _ = l.toStream.Write(line)
	}
	if file {
		_, _ = l.toFile.Write(line)
	}
	if level >= slog.LevelWarn {
		l.hurry()
	}
}

// targets writes a line to the stream, the file or both, and makes its text
// once: each request has a line. Warnings, and what is worse, do not wait in a
// buffer.
type targets struct {
	both, stream, file slog.Handler
	hurry              func()
}

// Enabled implements slog.Handler.
func (t *targets) Enabled(ctx context.Context, level slog.Level) bool {
	return t.stream.Enabled(ctx, level) || t.file.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (t *targets) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		defer t.hurry()
	}
	stream, file := t.stream.Enabled(ctx, r.Level), t.file.Enabled(ctx, r.Level)
	switch {
	case stream && file:
		return t.both.Handle(ctx, r)
	case stream:
		return t.stream.Handle(ctx, r)
	case file:
		return t.file.Handle(ctx, r)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (t *targets) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &targets{t.both.WithAttrs(attrs), t.stream.WithAttrs(attrs), t.file.WithAttrs(attrs), t.hurry}
}

// WithGroup implements slog.Handler.
func (t *targets) WithGroup(name string) slog.Handler {
	return &targets{t.both.WithGroup(name), t.stream.WithGroup(name), t.file.WithGroup(name), t.hurry}
}

// handlerMaker makes the handlers of a format. Both write one line of visible
// characters for each record, whatever its fields hold.
func handlerMaker(format string) func(io.Writer, slog.Leveler) slog.Handler {
	return func(w io.Writer, level slog.Leveler) slog.Handler {
		opts := &slog.HandlerOptions{Level: level, ReplaceAttr: visible.Attr}
		if format == "json" {
			return slog.NewJSONHandler(visible.JSON{W: w}, opts)
		}
		return slog.NewTextHandler(w, opts)
	}
}

// reload puts another configuration's levels and file in force. The format of
// lines stays as it was at start.
func (l *logging) reload(cfg *config.Config) {
	l.setLevels(cfg)
	l.reopen(cfg)
}

func (l *logging) setLevels(cfg *config.Config) {
	base, stream, file := cfg.LogLevels.Base, cfg.LogLevels.Stream, cfg.LogLevels.File
	if cfg.Server.Debug {
		base, stream, file = slog.LevelDebug, slog.LevelDebug, slog.LevelDebug
	}
	l.stream.Set(max(base, stream))
	l.file.Set(max(base, file))
}

// reopen opens the log file anew, as after a rotation. A file that cannot be
// opened does not keep the server from running: the stream has everything.
func (l *logging) reopen(cfg *config.Config) {
	l.toFile.Flush(flushTime)
	if err := l.out.open(cfg.Server.LogFile); err != nil {
		l.logger.Warn("no log file: messages go to the stream only", "error", err)
	}
	if cfg.Server.LogFile == "" {
		l.file.Set(off)
	}
}

// hurry has the lines that wait written at once.
func (l *logging) hurry() {
	l.toStream.Hurry()
	l.toFile.Hurry()
}

// tellLost is called when a target takes lines again.
func (l *logging) tellLost(target string, lost uint64) {
	l.logger.Warn("lines are missing from the log: they could not be written", "target", target, "count", lost)
}

// Close tells what was left out, writes the lines that wait and closes the log
// file.
func (l *logging) Close() {
	l.budgets.close()
	l.toStream.Close(flushTime)
	l.toFile.Close(flushTime)
	_ = l.out.open("")
}

// reopenable is a file that can be exchanged while others write to it, even while
// a write does not return.
type reopenable struct {
	mu   sync.Mutex
	file *os.File
}

func (r *reopenable) open(path string) error {
	var file *os.File
	var err error
	if path != "" {
		file, err = openSoon(path)
	}
	r.swap(file)
	if err != nil {
		return fmt.Errorf("logfile: %w", err)
	}
	return nil
}

func (r *reopenable) swap(file *os.File) {
	r.mu.Lock()
	old := r.file
	r.file = file
	r.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
}

// Write implements io.Writer; without a file it writes nowhere.
func (r *reopenable) Write(p []byte) (int, error) {
	r.mu.Lock()
	file := r.file
	r.mu.Unlock()
	if file == nil {
		return len(p), nil
	}
	return file.Write(p)
}

// openSoon opens a log file, but does not wait for long: a frozen file system
// answers nothing.
func openSoon(path string) (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		// A FIFO without a reader is refused at once by O_NONBLOCK.
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|unix.O_NONBLOCK, 0o640)
		opened <- result{file, err}
	}()
	select {
	case r := <-opened:
		return r.file, r.err
	case <-time.After(flushTime):
		go func() {
			if r := <-opened; r.file != nil {
				_ = r.file.Close()
			}
		}()
		return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrDeadlineExceeded}
	}
}
