package health

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestClockJumps(t *testing.T) {
	tests := []struct {
		name   string
		after  time.Duration // since the last look
		moved  time.Duration // of the wall clock, by itself
		booted time.Duration
		want   string // empty: nothing is wrong
	}{
		{"nothing", 2 * time.Second, 0, time.Hour, ""},
		{"slewed", 2 * time.Second, time.Millisecond, time.Hour, ""},
		{"slewed over a day without a look", 24 * time.Hour, -43 * time.Second, time.Hour, ""},
		{"the host was suspended", 8 * time.Hour, 0, time.Hour, ""},
		{"a leap second", 2 * time.Second, -time.Second, time.Hour, ""},
		{"set back", 2 * time.Second, -time.Hour, time.Hour, "the clock was set back by 1h0m0s"},
		{"set forward", 2 * time.Second, 90 * time.Second, time.Hour, "the clock was set forward by 1m30s"},
		{"set by just less than a jump", 2 * time.Second, jump + 2*time.Second/slew, time.Hour, ""},
		{"set by a jump", 2 * time.Second, jump + 2*time.Second/slew + 1, time.Hour, "the clock was set forward by 2s"},
		{"set when the host had just settled", 2 * time.Second, 9 * time.Hour, settling - 2*time.Second, ""},
		{"set when the host had settled", 2 * time.Second, 9 * time.Hour, settling - 2*time.Second + 1, "the clock was set forward by 9h0m0s"},
		{"set for the first time after the boot", 2 * time.Second, 9 * time.Hour, time.Minute, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wall, passed := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), tt.booted
			c := newClock(func() time.Time { return wall }, func() time.Duration { return passed }, func() (bool, bool) { return true, true })
			passed += tt.after
			wall = wall.Add(tt.after + tt.moved)
			var want []Trouble
			if tt.want != "" {
				want = []Trouble{{Part: "clock", State: Warning, Since: wall, Message: tt.want, Look: []string{"timedatectl"}}}
			}
			const last = jumpTold - time.Minute - 1
			for _, pause := range []time.Duration{time.Minute, last, 1} { // it is reported for an hour
				if got := c.Trouble(); !reflect.DeepEqual(got, want) {
					t.Fatalf("%+v, want %+v", got, want)
				}
				passed += pause
				wall = wall.Add(pause)
			}
			if got := c.Trouble(); len(got) != 0 {
				t.Errorf("an hour later: %+v", got)
			}
		})
	}
}

// What a clock may gain is counted from the last look, not from the first.
func TestClockIsSetAfterManyLooks(t *testing.T) {
	wall, passed := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), time.Hour
	c := newClock(func() time.Time { return wall }, func() time.Duration { return passed }, func() (bool, bool) { return true, true })
	for range 24 {
		passed += time.Hour
		wall = wall.Add(time.Hour)
		if got := c.Trouble(); len(got) != 0 {
			t.Fatalf("before: %+v", got)
		}
	}
	wall = wall.Add(10 * time.Second)
	if got := c.Trouble(); len(got) != 1 || got[0].Message != "the clock was set forward by 10s" {
		t.Errorf("%+v", got)
	}
}

// The clocks of the host pass: the server does not start with a report.
func TestClockOfTheHost(t *testing.T) {
	c := NewClock()
	c.synced = func() (bool, bool) { return true, true }
	if got := c.Trouble(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestClockNotSynchronised(t *testing.T) {
	for _, tt := range []struct {
		synced, known bool
		want          []Trouble
	}{
		{true, true, nil},
		{false, true, []Trouble{{Part: "clock", State: Warning, Message: "the clock is not synchronised", Look: []string{"timedatectl set-ntp true"}}}},
		{false, false, nil}, // a container
	} {
		c := newClock(time.Now, func() time.Duration { return time.Hour }, func() (bool, bool) { return tt.synced, tt.known })
		got := c.Trouble()
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("synchronised %v, known %v: %+v", tt.synced, tt.known, got)
		}
	}
}

func TestKernelSays(t *testing.T) {
	for _, tt := range []struct {
		state         int
		err           error
		synced, known bool
	}{
		{0, nil, true, true},
		{clockError, nil, false, true},
		{-1, errors.New("operation not permitted"), true, false},
	} {
		if synced, known := kernelSays(tt.state, tt.err); known != tt.known || known && synced != tt.synced {
			t.Errorf("state %d, error %v: synchronised %v, known %v", tt.state, tt.err, synced, known)
		}
	}
}

// Reading the clock's state needs no right, so it is known outside of containers.
func TestSynchronised(t *testing.T) {
	container := isContainer("/")
	if synced, known := Synchronised(); known == container || container && synced {
		t.Errorf("synchronised %v, known %v; in a container: %v", synced, known, container)
	}
	if InContainer() != container {
		t.Errorf("in a container: %v, want %v", !container, container)
	}
}

func TestContainerMarks(t *testing.T) {
	for _, mark := range []string{"run/systemd/container", ".dockerenv", "run/.containerenv"} {
		root := t.TempDir()
		if isContainer(root) {
			t.Errorf("a host without marks is a container")
		}
		file := filepath.Join(root, mark)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		if !isContainer(root) {
			t.Errorf("no container with %s", mark)
		}
	}
}
