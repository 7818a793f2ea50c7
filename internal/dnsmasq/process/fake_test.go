package process

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mdserver/internal/dnsmasq/files"
	"mdserver/internal/dnsmasq/lines"
	"mdserver/internal/logtest"
)

// runs are starts of dnsmasq in fake time. Each run does as life says.
type runs struct {
	life   func(number int) life
	began  time.Time
	refuse error // what a check of the configuration ends with

	mu      sync.Mutex
	starts  []time.Duration // since began
	args    [][]string
	all     []*fake
	signals []sent
	must    []bool // what the choosers were asked for
	warning string // what they warn of
}

// life is one run of dnsmasq.
type life struct {
	fails   error         // to start
	ends    time.Duration // by itself; 0: never
	err     error         // what it ends with
	says    string
	ignores []os.Signal
	refuses error // what signals come to
}

// sent is a signal, and when it was sent to which run.
type sent struct {
	run    int
	signal os.Signal
	at     time.Duration
}

// newRuns makes starts that do as life says. Call it in a bubble.
func newRuns(life func(number int) life) *runs { return &runs{life: life, began: time.Now()} }

// always are runs that are all alike.
func always(l life) *runs { return newRuns(func(int) life { return l }) }

func (r *runs) choose(mustLaunch bool) (starter, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.must = append(r.must, mustLaunch)
	return r.start, r.warning, nil
}

// firstPID is the number of the first run's process.
const firstPID = 1 << 30

func (r *runs) start(args []string, output io.Writer) (running, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if args[0] == "--test" {
		p := &fake{ended: make(chan error, 1)}
		p.ended <- r.refuse
		if r.refuse != nil {
			_, _ = io.WriteString(output, "dnsmasq: bad option\n")
		}
		return p, nil
	}
	r.starts, r.args = append(r.starts, time.Since(r.began)), append(r.args, args)
	number := len(r.starts)
	l := r.life(number)
	if l.fails != nil {
		return nil, l.fails
	}
	_, _ = io.WriteString(output, l.says)
	p := &fake{runs: r, life: l, number: number, ended: make(chan error, 1)}
	r.all = append(r.all, p)
	if l.ends > 0 {
		time.AfterFunc(l.ends, func() { p.end(l.err) })
	}
	return p, nil
}

// fake is a process in fake time.
type fake struct {
	runs   *runs
	life   life
	number int
	once   sync.Once
	ended  chan error
}

func (f *fake) Pid() int { return firstPID + f.number - 1 }

func (f *fake) Signal(sig os.Signal) error {
	f.runs.mu.Lock()
	defer f.runs.mu.Unlock()
	f.runs.signals = append(f.runs.signals, sent{f.number, sig, time.Since(f.runs.began)})
	if !slices.Contains(f.life.ignores, sig) {
		f.end(errors.New("signal: " + sig.String()))
	}
	return f.life.refuses
}

func (f *fake) Wait() error { return <-f.ended }

func (f *fake) end(err error) { f.once.Do(func() { f.ended <- err }) }

// startFake starts a Child whose dnsmasq is fake, and closes it at the end.
func startFake(t *testing.T, r *runs, place files.Place) (*Child, *logtest.Buffer) {
	t.Helper()
	log, b := newLog()
	c := newChild(newHost(place), r.choose, files.New(place), log, lines.Clients{})
	t.Cleanup(func() {
		must(t, c.Close())
		for _, f := range r.all {
			f.end(nil) // those that no signal has ended
		}
	})
	return c, b
}

func (r *runs) seen() ([]time.Duration, []sent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.starts), slices.Clone(r.signals)
}

func (r *runs) wantStarts(t *testing.T, want ...time.Duration) {
	t.Helper()
	if starts, _ := r.seen(); !slices.Equal(starts, want) {
		t.Errorf("dnsmasq was started at %v, want %v", starts, want)
	}
}

func (r *runs) wantSignals(t *testing.T, want ...sent) {
	t.Helper()
	if _, signals := r.seen(); !slices.Equal(signals, want) {
		t.Errorf("signals %v, want %v", signals, want)
	}
}

func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

var deaf = []os.Signal{syscall.SIGTERM, syscall.SIGKILL}
