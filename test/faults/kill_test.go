//go:build e2e

package faults

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// roundsEnv names how many times a test of faults at random makes its fault.
const roundsEnv = "MDSERVER_FAULTS_ROUNDS"

func rounds(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv(roundsEnv)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", roundsEnv, err)
	}
	return n
}

// TestKilledAtRandom kills a server again and again while guests are registered
// and released, at times that differ, also while it starts.
func TestKilledAtRandom(t *testing.T) {
	kills := rounds(t, 25)
	random := newRandom(t)
	s := newSubject(t, nil)
	s.addGuest()
	l := s.startLoad()
	var longest time.Duration
	for n := range kills {
		time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
		s.Kill()
		if n%4 == 3 {
			s.killAtStart(time.Duration(random.IntN(60)) * time.Millisecond)
		}
		began := time.Now()
		s.start()
		longest = max(longest, time.Since(began))
	}
	s.recovers()
	l.stop()
	lost, duplicate := l.verify()
	results.add(row{fmt.Sprintf("%d kills at random", kills), len(l.told), lost, duplicate, longest, ""})
}

// killAtStart starts the server and kills it after a time.
func (s *subject) killAtStart(after time.Duration) {
	s.t.Helper()
	p, err := s.Host.Start("mdserver", nil, binary(s.t), "serve", "--config", s.ConfigFile)
	if err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(after)
	p.Kill()
}

// TestQuit: a server that is sent SIGQUIT prints its goroutines and ends with a
// failure, so that systemd starts it again.
func TestQuit(t *testing.T) {
	s := newSubject(t, nil)
	if err := s.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(10 * time.Second); err == nil {
		t.Error("it ends without a failure")
	}
	log, err := os.ReadFile(s.Path("log", "mdserver.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?s)SIGQUIT: quit.*goroutine \d+.*internal/daemon`).Match(log) {
		t.Error("the log does not show the goroutines")
	}
}
