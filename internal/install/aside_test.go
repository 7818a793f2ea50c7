package install

import (
	"slices"
	"strings"
	"testing"
)

// originals are the commands about the original's units.
func originals(ran []string) []string {
	return slices.DeleteFunc(slices.Clone(ran), func(line string) bool {
		return !strings.HasPrefix(line, "systemctl enable") && !strings.HasPrefix(line, "systemctl start") &&
			!strings.HasPrefix(line, "systemctl disable "+pathUnit) && line != "systemctl stop "+pathUnit
	})
}

// The original's units are after "uninstall" as they were before "install".
func TestUnitsOfTheOriginalComeBack(t *testing.T) {
	for _, test := range []struct {
		name      string
		is        []string // what is so of the original's units, as systemctl is asked
		change    func(s *startable)
		ran       []string // by install
		ranBack   []string // by uninstall
		sayStart  bool     // uninstall says how to start the original
		installed int      // times
	}{
		{"enabled and active", []string{"is-enabled mdserver.service", "is-active mdserver.service", "is-active mdserver-dnsmasq.path", "is-active mdserver-dnsmasq.service"}, nil,
			[]string{"systemctl stop mdserver-dnsmasq.path"},
			[]string{"systemctl enable mdserver.service", "systemctl start mdserver.service mdserver-dnsmasq.path mdserver-dnsmasq.service"}, false, 1},
		{"installed twice", []string{"is-enabled mdserver.service"}, nil, nil, []string{"systemctl enable mdserver.service"}, true, 2},
		{"enabled and stopped", []string{"is-enabled mdserver.service"}, nil, nil, []string{"systemctl enable mdserver.service"}, true, 1},
		{"disabled and active", []string{"is-active mdserver.service"}, nil, nil, []string{"systemctl start mdserver.service"}, false, 1},
		{"neither", nil, nil, nil, nil, true, 1},
		{"a path unit that is enabled", []string{"is-enabled mdserver-dnsmasq.path"}, nil,
			[]string{"systemctl disable mdserver-dnsmasq.path"}, []string{"systemctl enable mdserver-dnsmasq.path"}, true, 1},
		{"our unit was changed", []string{"is-enabled mdserver.service"}, func(s *startable) { s.write(unitPath, "mine\n") }, nil, nil, false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &startable{host: originalHost(t), answers: map[string]string{}}
			for _, question := range test.is {
				_, state, _ := strings.Cut(strings.Fields(question)[0], "-")
				s.answers["systemctl "+question] = state + "\n"
			}
			var ran []string
			for range test.installed {
				ran = append(ran, s.upgrade()...)
				clear(s.answers) // ours are now meant, and are neither
			}
			if ran = originals(ran); !slices.Equal(ran, test.ran) {
				t.Errorf("install ran %q, want %q", ran, test.ran)
			}
			if test.change != nil {
				test.change(s)
			}
			report, back := s.stop(false)
			if got := originals(back); !slices.Equal(got, test.ranBack) {
				t.Errorf("uninstall ran %q, want %q", got, test.ranBack)
			}
			said := slices.ContainsFunc(report.Next, func(f Finding) bool { return strings.HasPrefix(f.What, "start the Python mdserver") })
			if said != test.sayStart {
				t.Errorf("next: %v", report.Next)
			}
			reload, enable := slices.Index(back, "systemctl daemon-reload"), slices.Index(back, "systemctl enable mdserver.service")
			if enable >= 0 && enable < reload {
				t.Errorf("units are enabled before systemd knows them: %q", back)
			}
		})
	}
}

// An installation that is interrupted does not forget how the original was.
func TestUnitsComeBackAfterAnInterruption(t *testing.T) {
	s := &startable{host: originalHost(t), answers: map[string]string{"systemctl is-enabled mdserver.service": "enabled\n"}}
	j := s.job()
	plan, err := makePlan(j.Options)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.install(t.Context(), append(plan, item{path: "/nowhere/file"})); err == nil {
		t.Fatal("a file without a directory is installed")
	}
	clear(s.answers)
	s.upgrade()
	if _, ran := s.stop(false); !slices.Contains(ran, "systemctl enable mdserver.service") {
		t.Errorf("ran %q", ran)
	}
}

// upgrade installs without a start, and returns the commands that were run.
func (s *startable) upgrade() []string {
	s.t.Helper()
	s.ran = nil
	j := s.job()
	plan, err := makePlan(j.Options)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := j.install(s.t.Context(), plan); err != nil {
		s.t.Fatal(err)
	}
	return s.ran
}

// What is the administrator's in a hook stays where it works.
func TestHookOfTheOriginal(t *testing.T) {
	for _, test := range []struct {
		name    string
		hook    func(t *testing.T) string
		before  func(h *host)
		want    Action
		finding string
	}{
		{"as it was shipped", func(t *testing.T) string { return shippedHook(t, "169.254.169.254") }, nil, Moved, ""},
		{"with another address", func(t *testing.T) string { return shippedHook(t, "10.122.0.1") }, nil, Moved, ""},
		{"with lines of one's own", func(t *testing.T) string { return shippedHook(t, "169.254.169.254") + "touch /run/x\n" }, nil, "", "remove that part"},
		{"another hook", func(*testing.T) string { return "#!/bin/sh\nexit 0\n" }, nil, "", ""},
		{"a backup is there", func(t *testing.T) string { return shippedHook(t, "169.254.169.254") },
			func(h *host) { h.write(originalHookPath+originalSuffix, "older\n") }, Kept, "registers every guest a second time"},
	} {
		for _, dry := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				h := newHost(t)
				content := test.hook(t)
				h.write(originalHookPath, content)
				if test.before != nil {
					test.before(h)
				}
				h.opts.DryRun = dry
				report := h.install()
				wantAction(t, report, originalHookPath, test.want)
				if _, is := h.files()[originalHookPath]; is == (test.want == Moved && !dry) {
					t.Errorf("the hook is there: %v", is)
				}
				said := slices.ContainsFunc(report.Findings, func(f Finding) bool {
					return test.finding != "" && strings.Contains(f.What, test.finding)
				})
				if said != (test.finding != "") || !said && len(report.Findings) > 0 {
					t.Errorf("findings %v, want %q", report.Findings, test.finding)
				}
				if dry {
					return
				}
				h.uninstall()
				if got := h.read(originalHookPath); got != content {
					t.Errorf("after uninstall the hook is %q", got)
				}
			})
		}
	}
}
