package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
	"mdserver/internal/dnsmasq/lines"
	"mdserver/internal/instance"
)

const (
	ms  = time.Millisecond
	sec = time.Second
)

var errExit = errors.New("exit status 2")

// in runs a test in fake time, with a place for it.
func in(t *testing.T, test func(t *testing.T, place files.Place)) {
	t.Helper()
	place := newPlace(t)
	synctest.Test(t, func(t *testing.T) { test(t, place) })
}

func TestStartsAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		life  func(number int) life
		after time.Duration
		want  []time.Duration
	}{
		"runs": {func(int) life { return life{} }, time.Hour, []time.Duration{0}},
		"ends at once": {func(int) life { return life{ends: ms, err: errExit} }, 2 * sec,
			[]time.Duration{0, 101 * ms, 302 * ms, 703 * ms, 1504 * ms}},
		"does not start": {func(int) life { return life{fails: errExit} }, 2 * sec,
			[]time.Duration{0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms}},
		"ends without an error": {func(int) life { return life{ends: ms} }, 350 * ms,
			[]time.Duration{0, 101 * ms, 302 * ms}},
		"ends after a long run": {func(n int) life {
			if n == 3 {
				return life{ends: steady + ms, err: errExit}
			}
			return life{ends: ms, err: errExit}
		}, 11 * sec, []time.Duration{0, 101 * ms, 302 * ms, 10403 * ms, 10604 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, place files.Place) {
				r := newRuns(tt.life)
				startFake(t, r, place)
				time.Sleep(tt.after)
				synctest.Wait()
				r.wantStarts(t, tt.want...)
			})
		})
	}
}

func TestArguments(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		r := always(life{})
		startFake(t, r, place)
		synctest.Wait()
		want := []string{"--keep-in-foreground", "--log-facility=-", content.ChildRecord, "--conf-file=" + place.ConfigFile()}
		if !slices.Equal(r.args[0], want) {
			t.Errorf("arguments %q, want %q", r.args[0], want)
		}
	})
}

// A failure is logged with dnsmasq's own words and the pause.
func TestFailureIsLogged(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		c, log := startFake(t, always(life{ends: ms, err: errExit, says: "dnsmasq: cannot bind\n"}), place)
		time.Sleep(10 * ms)
		wantText(t, log.String(), `msg="dnsmasq does not run"`, "dnsmasq ended: cannot bind: exit status 2", "again_in=100ms")
		must(t, c.Close())
		if n := strings.Count(log.String(), "does not run"); n != 1 {
			t.Errorf("%d failures are logged", n)
		}
	})
}

func TestRestart(t *testing.T) {
	for name, tt := range map[string]struct {
		ignores []os.Signal
		signal  syscall.Signal
		want    []sent
		next    time.Duration
	}{
		"polite":       {nil, syscall.SIGTERM, []sent{{1, syscall.SIGTERM, sec}}, sec},
		"ignores TERM": {deaf[:1], syscall.SIGTERM, []sent{{1, syscall.SIGTERM, sec}, {1, syscall.SIGKILL, sec + grace}}, sec + grace},
		"killed":       {nil, syscall.SIGKILL, []sent{{1, syscall.SIGKILL, sec}}, sec},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, place files.Place) {
				r := newRuns(func(n int) life {
					if n == 1 {
						return life{ignores: tt.ignores}
					}
					return life{}
				})
				c, log := startFake(t, r, place)
				before, err := c.Wait(t.Context())
				must(t, err)
				time.Sleep(sec)
				must(t, c.Restart(t.Context(), tt.signal))
				r.wantStarts(t, 0, tt.next)
				r.wantSignals(t, tt.want...)
				now := c.Peek()
				if now == nil || now.Epoch == before.Epoch || now.PID != firstPID+1 || !now.Ours {
					t.Errorf("after %+v, %+v runs", before, now)
				}
				if strings.Contains(log.String(), "does not run") {
					t.Error("a restart is logged as a failure")
				}
				var st api.Dnsmasq
				if c.Report(&st); st.Restarts != 1 || st.LastError != "" {
					t.Errorf("status %+v", st)
				}
			})
		})
	}
}

// A restart does not wait for the end of a pause.
func TestRestartCutsThePause(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		r := newRuns(func(n int) life {
			if n < 3 {
				return life{ends: ms, err: errExit}
			}
			return life{}
		})
		c, _ := startFake(t, r, place)
		time.Sleep(150 * ms) // in the second pause
		must(t, c.Restart(t.Context(), syscall.SIGTERM))
		time.Sleep(sec)
		r.wantStarts(t, 0, 101*ms, 150*ms)
		r.wantSignals(t)
	})
}

// A restart that leads to no dnsmasq is an error.
func TestRestartInVain(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		r := newRuns(func(n int) life {
			if n == 1 {
				return life{}
			}
			return life{fails: errExit}
		})
		c, _ := startFake(t, r, place)
		synctest.Wait()
		if err := c.Restart(t.Context(), syscall.SIGTERM); !errors.Is(err, errExit) {
			t.Errorf("error %v", err)
		}
		r.wantStarts(t, 0, 0, 100*ms, 300*ms)
	})
}

// What was asked for before a start has happened by that start.
func TestRestartDuringAStart(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		r := always(life{})
		log, _ := newLog()
		asked := make(chan struct{})
		c := newChild(newHost(place), func(m bool) (starter, string, error) {
			<-asked
			return r.choose(m)
		}, files.New(place), log, lines.Clients{})
		defer c.Close()
		c.again <- syscall.SIGTERM
		close(asked)
		time.Sleep(sec)
		r.wantStarts(t, 0)
		r.wantSignals(t)
	})
}

func TestClose(t *testing.T) {
	for name, tt := range map[string]struct {
		life  life
		want  []sent
		takes time.Duration
	}{
		"polite":          {life{}, []sent{{1, syscall.SIGTERM, sec}}, 0},
		"ignores TERM":    {life{ignores: deaf[:1]}, []sent{{1, syscall.SIGTERM, sec}, {1, syscall.SIGKILL, sec + grace}}, grace},
		"does not end":    {life{ignores: deaf}, []sent{{1, syscall.SIGTERM, sec}, {1, syscall.SIGKILL, sec + grace}}, 2 * grace},
		"is between runs": {life{ends: sec - ms, err: errExit}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, place files.Place) {
				r := always(tt.life)
				c, log := startFake(t, r, place)
				time.Sleep(sec)
				must(t, c.Close())
				if took := time.Since(r.began) - sec; took != tt.takes {
					t.Errorf("it took %v, want %v", took, tt.takes)
				}
				r.wantStarts(t, 0)
				r.wantSignals(t, tt.want...)
				if c.Peek() != nil {
					t.Error("a dnsmasq still serves")
				}
				if _, err := os.Stat(place.PIDFile()); err == nil && tt.want != nil {
					t.Error("the pid-file is still there")
				}
				if _, err := c.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "stopping") {
					t.Errorf("waiting after the end: %v", err)
				}
				if failed := strings.Contains(log.String(), "does not run"); failed != (tt.want == nil) {
					t.Errorf("log:\n%s", log.String())
				}
			})
		})
	}
}

// One that no signal ends is an error, and none is started beside it at once. While
// it is being ended, it does not serve.
func TestRestartOfOneThatDoesNotEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		life  life
		takes time.Duration
		want  string
	}{
		"ignores signals":  {life{ignores: deaf}, 2*grace + firstBackoff, "process 1073741824, does not end after SIGKILL; if mdserver-launcher.service hangs"},
		"cannot be killed": {life{ignores: deaf, refuses: syscall.EPERM}, firstBackoff, "stopping dnsmasq: operation not permitted"},
		"has just ended":   {life{ignores: deaf, refuses: os.ErrProcessDone}, 2*grace + firstBackoff, "does not end after SIGKILL"},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, place files.Place) {
				r := newRuns(func(n int) life {
					if n == 1 {
						return tt.life
					}
					return life{}
				})
				c, log := startFake(t, r, place)
				synctest.Wait()
				time.AfterFunc(firstBackoff/2, func() {
					if c.Peek() != nil {
						t.Error("it serves while it is being ended")
					}
				})
				must(t, c.Restart(t.Context(), syscall.SIGTERM))
				r.wantStarts(t, 0, tt.takes)
				wantText(t, log.String(), tt.want)
			})
		})
	}
}

func TestWait(t *testing.T) {
	t.Run("until dnsmasq runs", func(t *testing.T) {
		in(t, func(t *testing.T, place files.Place) {
			r := newRuns(func(n int) life {
				if n == 1 {
					return life{fails: errExit}
				}
				return life{}
			})
			c, _ := startFake(t, r, place)
			got, err := c.Wait(t.Context())
			if err != nil || got.PID != firstPID+1 || time.Since(r.began) != 100*ms {
				t.Errorf("%+v, %v after %v", got, err, time.Since(r.began))
			}
		})
	})
	t.Run("no longer than its context", func(t *testing.T) {
		in(t, func(t *testing.T, place files.Place) {
			c, _ := startFake(t, always(life{fails: errExit}), place)
			why := errors.New("gave up")
			ctx, cancel := context.WithTimeoutCause(t.Context(), 50*ms, why)
			defer cancel()
			if _, err := c.Wait(ctx); !errors.Is(err, why) || !errors.Is(err, errExit) {
				t.Errorf("error %v", err)
			}
		})
	})
	t.Run("until there is no hope", func(t *testing.T) {
		in(t, func(t *testing.T, place files.Place) {
			r := always(life{fails: errExit})
			c, _ := startFake(t, r, place)
			_, err := c.Wait(t.Context())
			if !errors.Is(err, errExit) || !strings.Contains(err.Error(), "keeps trying") {
				t.Errorf("error %v", err)
			}
			r.wantStarts(t, 0, 100*ms, 300*ms)
		})
	})
}

func TestReportOfAChild(t *testing.T) {
	for name, tt := range map[string]struct {
		life    life
		warning string
		before  api.Dnsmasq
		after   time.Duration
		want    api.Dnsmasq
	}{
		"runs": {life{}, "", api.Dnsmasq{Live: true, LastError: "no answer"}, sec,
			api.Dnsmasq{PID: firstPID, Live: true, LastError: "no answer"}},
		"as the server's user": {life{}, "no launcher", api.Dnsmasq{}, sec, api.Dnsmasq{PID: firstPID, Warning: "no launcher"}},
		"two warnings": {life{}, "no launcher", api.Dnsmasq{Warning: "a line is left out"}, sec,
			api.Dnsmasq{PID: firstPID, Warning: "a line is left out; no launcher"}},
		"ended": {life{ends: ms, err: errExit}, "", api.Dnsmasq{Live: true}, 50 * ms,
			api.Dnsmasq{LastError: "dnsmasq ended: exit status 2"}},
		"ended often": {life{ends: ms, err: errExit}, "", api.Dnsmasq{Live: true}, 400 * ms,
			api.Dnsmasq{Restarts: 2, LastError: "dnsmasq failed 3 times in succession, mdserver keeps trying: dnsmasq ended: exit status 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, place files.Place) {
				r := always(tt.life)
				r.warning = tt.warning
				c, _ := startFake(t, r, place)
				time.Sleep(tt.after)
				st := tt.before
				if c.Report(&st); st != tt.want {
					t.Errorf("status\n%+v, want\n%+v", st, tt.want)
				}
			})
		})
	}
}

// Failures are reported until dnsmasq has run for a while.
func TestReportAfterFailures(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		r := newRuns(func(n int) life {
			if n <= hopeless {
				return life{fails: errExit}
			}
			return life{}
		})
		c, _ := startFake(t, r, place)
		for _, tt := range []struct {
			after   time.Duration
			trouble bool
		}{{sec, true}, {steady, false}} {
			time.Sleep(tt.after)
			var st api.Dnsmasq
			if c.Report(&st); (st.LastError != "") != tt.trouble || st.PID == 0 {
				t.Errorf("after %v the status is %+v", time.Since(r.began), st)
			}
		}
	})
}

// A dnsmasq that had a user of its own keeps it. The warning about one that has
// none comes once.
func TestOwnUserIsKept(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		r := always(life{})
		c, log := startFake(t, r, place)
		synctest.Wait()
		r.mu.Lock()
		r.warning = "as the server"
		r.mu.Unlock()
		must(t, c.Restart(t.Context(), syscall.SIGTERM))
		must(t, c.Restart(t.Context(), syscall.SIGTERM))
		r.mu.Lock()
		r.warning = ""
		r.mu.Unlock()
		must(t, c.Restart(t.Context(), syscall.SIGTERM))
		if want := []bool{false, true, false, false}; !slices.Equal(r.must, want) {
			t.Errorf("asked for %v, want %v", r.must, want)
		}
		wantText(t, log.String(), "as the server")
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings", n)
		}
	})
}

func TestNoStarter(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		log, b := newLog()
		c := newChild(newHost(place), func(bool) (starter, string, error) { return nil, "", errors.New("no user") },
			files.New(place), log, lines.Clients{})
		defer c.Close()
		if _, err := c.Wait(t.Context()); err == nil {
			t.Error("a dnsmasq runs")
		}
		wantText(t, b.String(), `error="no user"`)
	})
}

// A configuration that dnsmasq refuses is never started.
func TestRefusedConfiguration(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		r := always(life{})
		r.refuse = errExit
		c, _ := startFake(t, r, place)
		_, err := c.Wait(t.Context())
		if !errors.Is(err, errExit) || !strings.Contains(err.Error(), "refuses its configuration: dnsmasq: bad option: exit") {
			t.Errorf("error %v", err)
		}
		r.wantStarts(t)
	})
}

// Files that others have changed are written before dnsmasq reads them.
func TestFilesAreWrittenBeforeAStart(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		set := files.New(place)
		must(t, set.MakeDirs())
		_, err := set.Put(place.DNSFile(), "as it should be", true)
		must(t, err)
		must(t, os.WriteFile(place.DNSFile(), []byte("altered"), 0o644))
		log, b := newLog()
		r := always(life{})
		c := newChild(newHost(place), r.choose, set, log, lines.Clients{})
		defer c.Close()
		_, err = c.Wait(t.Context())
		must(t, err)
		if text, err := os.ReadFile(place.DNSFile()); string(text) != "as it should be" {
			t.Errorf("the file holds %q, %v", text, err)
		}
		wantText(t, b.String(), "changed by another program", "files="+place.DNSFile(), "number=1")
		must(t, c.Restart(t.Context(), syscall.SIGTERM))
		if n := strings.Count(b.String(), "changed by another program"); n != 1 {
			t.Errorf("%d warnings", n)
		}
	})
}

// dnsmasq starts although its files cannot be written: it may serve most guests.
func TestFilesThatCannotBeWritten(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		must(t, os.RemoveAll(place.BaseDir))
		must(t, os.WriteFile(place.BaseDir, nil, 0o644)) // a file in the place of the directory
		c, log := startFake(t, always(life{}), place)
		_, err := c.Wait(t.Context())
		must(t, err)
		wantText(t, log.String(), "some of its files are not up to date")
	})
}

// The output of a real process reaches the log, and the DHCP messages in it those
// who want them.
func TestOutput(t *testing.T) {
	place := newPlace(t, "say dnsmasq-dhcp: DHCPACK(br-mds) 10.122.0.9 52:54:00:00:00:01 web1",
		"say dnsmasq[7]: failed to read a file", "say-environment")
	t.Setenv("SECRET", "of the server")
	log, b := newLog()
	heard := make(chan string, 10)
	c := Start(place, files.New(place), log, lines.Clients{
		OnMessage: func(mac instance.MAC, message string) { heard <- mac.String() + " " + message }})
	defer c.Close()
	eventually(t, "it has started", func() bool { return strings.Contains(b.String(), "started, version 0") })
	if got := <-heard; got != "52:54:00:00:00:01 DHCPACK" {
		t.Errorf("heard %q", got)
	}
	wantText(t, b.String(), `level=ERROR msg="failed to read a file" from=dnsmasq`, "level=INFO msg=\"started, version 0\"",
		"LC_ALL=C", "PATH="+os.Getenv("PATH"))
	if strings.Contains(b.String(), "SECRET") {
		t.Error("dnsmasq has a variable of the server's")
	}
}

// A real process that ignores SIGTERM is killed, and nothing of it is left.
func TestRealProcessThatIgnoresTERM(t *testing.T) {
	t.Parallel()
	place := newPlace(t, "ignore-term")
	log, b := newLog()
	c := Start(place, files.New(place), log, lines.Clients{})
	eventually(t, "it has started", func() bool { return strings.Contains(b.String(), "started, version 0") })
	now, err := c.Wait(t.Context())
	must(t, err)
	pid := now.PID
	if text, err := os.ReadFile(place.PIDFile()); strings.TrimSpace(string(text)) != fmt.Sprint(pid) {
		t.Errorf("the pid-file says %q, %v, not %d", text, err, pid)
	}
	must(t, c.Close())
	if _, err := os.Stat(procDir(pid)); err == nil {
		t.Error("dnsmasq still runs")
	}
	if _, err := os.Stat(place.PIDFile()); err == nil {
		t.Error("the pid-file is still there")
	}
}

// The signal of a Running goes to its process.
func TestSignalOfAChild(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		r := always(life{ignores: []os.Signal{syscall.SIGHUP}})
		c, _ := startFake(t, r, place)
		now, err := c.Wait(t.Context())
		must(t, err)
		must(t, now.Signal(syscall.SIGHUP))
		r.wantSignals(t, sent{1, syscall.SIGHUP, 0})
		must(t, c.Close())
	})
}

// A child stands back from a dnsmasq that another service runs, and takes its
// place when it ends.
func TestStandsBack(t *testing.T) {
	place := newPlace(t)
	other := runOther(t, place, "dnsmasq", "--conf-file="+place.ConfigFile())
	writePID(t, place.ExternalPIDFile(), other.Process.Pid)
	synctest.Test(t, func(t *testing.T) {
		r := always(life{})
		c, log := startFake(t, r, place)
		first, err := c.Wait(t.Context())
		if err != nil || first.PID != other.Process.Pid || first.Ours {
			t.Fatalf("%+v serves, %v", first, err)
		}
		time.Sleep(time.Minute - alienPoll/2) // between two looks at it
		r.wantStarts(t)
		if err := c.Restart(t.Context(), syscall.SIGTERM); !errors.Is(err, ErrNotOurs) {
			t.Errorf("a restart comes to %v", err)
		}
		st := api.Dnsmasq{Mode: content.Child}
		if c.Report(&st); st.Mode != content.External || st.PID != first.PID || st.LastError != "" || st.Restarts != 0 {
			t.Errorf("status %+v", st)
		}
		must(t, first.Signal(syscall.SIGKILL))
		_ = other.Wait()
		time.Sleep(alienPoll)
		synctest.Wait()
		r.wantStarts(t, time.Minute)
		if now := c.Peek(); now == nil || !now.Ours || now.Epoch == first.Epoch {
			t.Errorf("%+v serves", now)
		}
		wantText(t, log.String(), "another dnsmasq serves this network", "the external dnsmasq has ended")
	})
}

// The end of the server is not the end of the other dnsmasq.
func TestCloseWhileStandingBack(t *testing.T) {
	place := newPlace(t)
	other := runOther(t, place, "dnsmasq", "--conf-file="+place.ConfigFile())
	writePID(t, place.ExternalPIDFile(), other.Process.Pid)
	synctest.Test(t, func(t *testing.T) {
		c, log := startFake(t, always(life{}), place)
		synctest.Wait()
		began := time.Now()
		must(t, c.Close())
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		if c.Peek() != nil || strings.Contains(log.String(), "has ended") {
			t.Errorf("log:\n%s", log.String())
		}
		if p, err := find(other.Process.Pid); err != nil {
			t.Error("the other dnsmasq has ended")
		} else {
			p.release()
		}
	})
}

// TestStandingBackEndsTheTrouble checks that the status has no earlier failures while
// another dnsmasq serves.
func TestStandingBackEndsTheTrouble(t *testing.T) {
	place := newPlace(t)
	other := runOther(t, place, "dnsmasq", "--conf-file="+place.ConfigFile())
	synctest.Test(t, func(t *testing.T) {
		c, _ := startFake(t, always(life{ends: ms, err: errExit}), place)
		time.Sleep(sec) // enough for more failures than hopeless
		writePID(t, place.ExternalPIDFile(), other.Process.Pid)
		time.Sleep(sec)
		synctest.Wait()
		var st api.Dnsmasq
		if c.Report(&st); st.LastError != "" || st.PID != other.Process.Pid {
			t.Errorf("status %+v", st)
		}
		if now, err := c.Wait(t.Context()); err != nil || now.PID != other.Process.Pid {
			t.Errorf("%+v runs, %v", now, err)
		}
	})
}
