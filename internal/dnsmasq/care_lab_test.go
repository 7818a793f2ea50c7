package dnsmasq

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/probe"
	"mdserver/internal/instance"
)

// lookAfter has the Service look after dnsmasq until it is well.
func (l *lab) lookAfter(s *Service) {
	l.t.Helper()
	l.eventually("dnsmasq is well", func() bool {
		s.CatchUp(l.t.Context())
		st := s.Status()
		return st.PID != 0 && st.Live && st.LastError == ""
	})
}

// crash kills dnsmasq and waits for the next one.
func (l *lab) crash(s *Service) {
	l.t.Helper()
	pid := s.Status().PID
	must(l.t, syscall.Kill(pid, syscall.SIGKILL))
	l.eventually("another dnsmasq runs", func() bool { now := s.Status().PID; return now != 0 && now != pid })
}

// fileFaults are what others may do to dnsmasq's files.
var fileFaults = map[string]func(t *testing.T, l *lab){
	"configuration removed": func(t *testing.T, l *lab) { must(t, os.Remove(l.ConfigFile())) },
	"all removed":           func(t *testing.T, l *lab) { must(t, os.RemoveAll(l.BaseDir)) },
	"run_dir removed":       func(t *testing.T, l *lab) { must(t, os.RemoveAll(l.RunDir)) },
	"host files locked": func(t *testing.T, l *lab) {
		must(t, os.Chmod(l.DHCPFile(), 0o600))
		must(t, os.Chmod(l.DNSFile(), 0o600))
	},
	"directories locked": func(t *testing.T, l *lab) { must(t, os.Chmod(l.BaseDir, 0o700)) },
	"host files altered": func(t *testing.T, l *lab) {
		for _, file := range []string{l.DHCPFile(), l.DNSFile()} {
			text, err := os.ReadFile(file)
			must(t, err)
			must(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "10.122.1.1", "10.122.1.77")), 0o644))
		}
	},
	"small files removed": func(t *testing.T, l *lab) {
		must(t, os.RemoveAll(l.DHCPDir()))
		must(t, os.RemoveAll(l.DNSDir()))
	},
	"options emptied": func(t *testing.T, l *lab) { must(t, os.Truncate(l.OptionsFile(), 0)) },
	"strange name": func(t *testing.T, l *lab) {
		must(t, os.WriteFile(filepath.Join(l.DNSDir(), "stranger"), []byte("10.122.1.1 evil\n"), 0o644))
	},
}

// A guest of before and one that came since are served right after each fault,
// whether dnsmasq crashes, reads its files or runs on, and so is one that comes
// afterwards.
func TestFilesThatOthersChange(t *testing.T) {
	for name, fault := range fileFaults {
		for _, how := range []string{"crash", "reload", "running"} {
			t.Run(name+" "+how, func(t *testing.T) {
				l := newLab(t)
				l.User = "nobody"
				old, since, later := newGuest(1, "web1"), newGuest(2, "web2"), newGuest(3, "web3")
				s := l.start(old)
				must(t, s.Apply(t.Context(), added(since)))
				fault(t, l)
				switch how {
				case "crash":
					l.crash(s)
				case "reload":
					must(t, syscall.Kill(s.Status().PID, syscall.SIGHUP))
					time.Sleep(20 * time.Millisecond)
				}
				l.lookAfter(s)
				must(t, s.Apply(t.Context(), added(later)))
				for _, guest := range []instance.Instance{old, since, later} {
					l.wantServed(guest)
				}
				if l.lookup("evil") != nil {
					t.Error("a stranger's name is served")
				}
				if st := s.Status(); !st.Live || st.LastError != "" {
					t.Errorf("status is %+v", st)
				}
			})
		}
	}
}

// A change that comes before the next look finds the directories gone.
func TestChangeAfterTheFilesAreGone(t *testing.T) {
	l := newLab(t)
	old, later := newGuest(1, "web1"), newGuest(2, "web2")
	s := l.start(old)
	must(t, os.RemoveAll(l.BaseDir))
	must(t, s.Apply(t.Context(), added(later)))
	l.wantServed(old)
	l.wantServed(later)
	again := newGuest(3, "web3")
	must(t, s.Apply(t.Context(), added(again)))
	l.wantServed(again)
}

// What dnsmasq holds is compared with what it should hold, even if its files are
// right by now.
func TestAnswersThatDiffer(t *testing.T) {
	for name, replace := range map[string][]string{
		"address of a guest": {"10.122.1.1 ", "10.122.1.77 "},
		"marker":             {"100::", "100::1:"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			guest := newGuest(1, "web1")
			s := l.start(guest)
			pid := s.Status().PID
			text, err := os.ReadFile(l.DNSFile())
			must(t, err)
			must(t, os.WriteFile(l.DNSFile(), []byte(strings.NewReplacer(replace...).Replace(string(text))+"10.122.9.9 read\n"), 0o644))
			must(t, syscall.Kill(pid, syscall.SIGHUP))
			l.eventually("dnsmasq has read the altered file", func() bool { return l.lookup("read") != nil })
			_, err = s.files.Restore() // as if nobody had touched it
			must(t, err)
			l.lookAfter(s)
			l.wantServed(guest)
			if st := s.Status(); st.PID != pid || st.Repairs != 1 || l.lookup("read") != nil {
				t.Errorf("status is %+v", st)
			}
		})
	}
}

// A dnsmasq that runs with another configuration than its file has is restarted.
func TestOtherConfiguration(t *testing.T) {
	l := newLab(t)
	s := l.start(newGuest(1, "web1"))
	text, err := os.ReadFile(l.ConfigFile())
	must(t, err)
	_, err = s.files.Put(l.ConfigFile(), strings.ReplaceAll(string(text), s.pub.config, "another"), true)
	must(t, err)
	first := s.Status().PID
	must(t, s.runner.Restart(t.Context(), syscall.SIGTERM))
	var other int
	l.eventually("dnsmasq runs with that configuration", func() bool {
		other = s.Status().PID
		texts, err := probe.Server{Settings: s.settings.Settings}.FirstAnswer(t.Context())
		return other != 0 && other != first && err == nil && slices.Contains(texts, "another")
	})
	_, err = s.files.Put(l.ConfigFile(), string(text), true)
	must(t, err)
	l.eventually("dnsmasq is another one", func() bool {
		s.CatchUp(t.Context())
		pid := s.Status().PID
		return pid != 0 && pid != other
	})
	l.lookAfter(s)
	l.wantServed(newGuest(1, "web1"))
}

// Guests that were found wrong are looked at again, as long as they are there.
func TestSuspectsAreLookedAtAgain(t *testing.T) {
	s := New(settingsFor(t), slog.New(slog.DiscardHandler))
	s.setTable(many(100))
	there, gone := newGuest(50, "g50").UUID, newGuest(500, "g500").UUID
	s.suspects[there], s.suspects[gone] = true, true
	for range 5 {
		sample := s.sample()
		if !slices.Contains(sample, there) || slices.Contains(sample, gone) || len(sample) < sampleSize || len(sample) > sampleSize+1 {
			t.Fatalf("sample %v", sample)
		}
	}
}

// Changes wait for a dnsmasq that answers again as long as for any other.
func TestDeafnessEnds(t *testing.T) {
	l := newLab(t)
	s := l.start(newGuest(1, "web1"))
	s.pub.deaf = true
	if s.CatchUp(t.Context()); s.pub.deaf {
		t.Error("dnsmasq answers, and changes do not wait for it")
	}
}

// A dnsmasq that mdserver does not run watches the directories of before until
// somebody restarts it. It learns of new guests all the same.
func TestExternalWithOldDirectories(t *testing.T) {
	l := newLab(t)
	l.Mode = content.External
	s := l.start(newGuest(1, "web1"))
	l.runDnsmasq("--conf-file="+l.ConfigFile(), "--keep-in-foreground")
	l.lookAfter(s)
	must(t, os.RemoveAll(l.BaseDir))
	l.lookAfter(s)
	for n := 2; n <= 3; n++ {
		guest := newGuest(n, "late"+string(rune('0'+n)))
		must(t, s.Apply(t.Context(), added(guest)))
		l.wantServed(guest)
	}
}

// A name that dnsmasq does not come to know is told, and no reason to restart
// it again and again.
func TestAnswersThatNothingMends(t *testing.T) {
	l := newLab(t)
	guest := newGuest(1, "web1")
	s := l.start(guest)
	s.guests[guest.UUID][0].Names = []string{"unknown.example.net"} // which is in no file
	for range 5 {
		s.CatchUp(t.Context())
	}
	if st := s.Status(); !strings.Contains(st.LastError, "unknown.example.net") || st.Live || st.Restarts != 1 {
		t.Errorf("status is %+v", st)
	}
	must(t, s.Reconfigure(t.Context(), l.Settings, []instance.Instance{guest}))
	l.lookAfter(s)
	l.wantServed(guest)
}

func TestHungChildIsReplaced(t *testing.T) {
	l := newLab(t)
	guest, later := newGuest(1, "web1"), newGuest(2, "web2")
	s := l.start(guest)
	hung := s.Status().PID
	must(t, syscall.Kill(hung, syscall.SIGSTOP))
	began := time.Now()
	s.CatchUp(t.Context())
	if st := s.Status(); st.PID != hung || st.LastError != "" {
		t.Errorf("one look without an answer came to %+v", st)
	}
	s.CatchUp(t.Context())
	if st := s.Status(); !strings.Contains(st.LastError, "does not answer") || st.Live {
		t.Errorf("status is %+v", st)
	}
	l.lookAfter(s)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if st := s.Status(); st.PID == hung || st.Replaced != 1 || st.Restarts != 1 {
		t.Errorf("status is %+v", st)
	}
	must(t, s.Apply(t.Context(), added(later)))
	l.wantServed(guest)
	l.wantServed(later)
}

// One that mdserver does not run is only told of, with what to do.
func TestHungExternalIsTold(t *testing.T) {
	l := newLab(t)
	l.Mode = content.External
	guest := newGuest(1, "web1")
	s := l.start(guest)
	other := l.runDnsmasq("--conf-file="+l.ConfigFile(), "--keep-in-foreground")
	l.lookAfter(s)
	must(t, other.Process.Signal(syscall.SIGSTOP))
	for range 5 {
		s.CatchUp(t.Context())
	}
	if st := s.Status(); !strings.Contains(st.LastError, "systemctl restart mdserver-dnsmasq.service") || st.PID != other.Process.Pid || st.Live {
		t.Errorf("status is %+v", st)
	}
	began := time.Now()
	_ = s.Apply(t.Context(), added(newGuest(2, "web2")))
	if took := time.Since(began); took > time.Second {
		t.Errorf("a change waited %v for a dnsmasq that hangs", took)
	}
	must(t, other.Process.Signal(syscall.SIGCONT))
	l.lookAfter(s)
	l.wantServed(guest)
	l.wantServed(newGuest(2, "web2"))
}

// A change that comes while dnsmasq is down is trouble until dnsmasq has it, and
// no longer, however many guests there are.
func TestTroubleEnds(t *testing.T) {
	l := newLab(t)
	s := l.start(many(3000)...)
	s.pub.deaf = true // as after changes while nobody listened
	must(t, syscall.Kill(s.Status().PID, syscall.SIGKILL))
	_ = s.Apply(t.Context(), removed(newGuest(1, "g1")))
	l.lookAfter(s)
	l.wantGone(newGuest(1, "g1"))
	l.wantServed(newGuest(2, "g2"))
}

// The reason why the administrator's lines were left out goes with the lines.
func TestWarningEnds(t *testing.T) {
	l := newLab(t)
	l.ConfFile = l.BaseDir + ".further"
	must(t, os.WriteFile(l.ConfFile, []byte("no-such-directive\n"), 0o644))
	s := l.start()
	if st := s.Status(); !strings.Contains(st.Warning, l.ConfFile) {
		t.Fatalf("status is %+v", st)
	}
	file := l.ConfFile
	l.ConfFile = ""
	must(t, s.Reconfigure(t.Context(), l.Settings, nil))
	if st := s.Status(); strings.Contains(st.Warning, file) {
		t.Errorf("status is %+v", st)
	}
}
