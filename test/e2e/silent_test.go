//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/client"
	"mdserver/test/lab"
)

// silence is stuck_after in the tests of guests that never report.
const silence = 20 * time.Second

// A guest that never reports gets as far as can be seen from outside. Who waits for that
// is told so, and its boot is never stuck or failed.
func TestGuestsThatNeverReport(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, phase string
		reaches     []string
		run         func(t *testing.T, l *lab.Lab, guest *lab.Guest)
	}{
		{"DHCP alone", "lease", []string{"lease"}, func(*testing.T, *lab.Lab, *lab.Guest) {}},
		{"sshd", "ssh", []string{"lease", "ssh"}, runSSHD},
		{"Ignition on AWS", "user-data", []string{"lease", "metadata"}, igniteOn("aws")},
		{"Ignition on OpenStack", "user-data", []string{"lease", "metadata"}, igniteOn("openstack")},
		{"Ignition on AWS, and sshd", "ssh", []string{"lease", "metadata", "ssh"}, func(t *testing.T, l *lab.Lab, guest *lab.Guest) {
			igniteOn("aws")(t, l, guest)
			runSSHD(t, l, guest)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			config, err := l.WriteFile("config.ign", ignitionConfig)
			if err != nil {
				t.Fatal(err)
			}
			s := startServer(t, l, l.Config().Set("mdserver", "report", "yes").Set("mdserver", "stuck_after", silence.String()).
				Set("mdserver", "default_template", config))
			states := followStates(t, l, "web1")
			var reached []func()
			for _, goal := range tt.reaches {
				reached = append(reached, waitFor(t, s, "web1", "--for", goal))
			}
			runHook(t, l, "web1")
			guest, _ := boot(t, l, show(t, s, "web1"))
			tt.run(t, l, guest)
			for _, wait := range reached {
				wait()
			}
			out, err := s.Run(suite.ctx, nil, "wait", "web1", "--timeout", "1s")
			if err == nil || !strings.Contains(err.Error(), "exit status 124") {
				t.Errorf("waiting until it is ready: %v\n%s", err, out)
			}
			eventually(t, "the verdict", func(context.Context) error {
				if v := boots(t, s, "web1")[0].Verdict; v.State != api.BootUnknown || v.Reason != "it does not report; it came as far as "+tt.phase {
					return fmt.Errorf("%+v", v)
				}
				return nil
			})
			for _, state := range states() {
				if state != api.Booting && state != api.BootUnknown {
					t.Errorf("the boot was %s", state)
				}
			}
			if all := boots(t, s, "web1"); len(all) != 1 {
				t.Errorf("%d boots", len(all))
			}
		})
	}
}

// followStates notes the states of a guest's boot until the function that it returns is
// called, which returns them.
func followStates(t *testing.T, l *lab.Lab, name string) func() []api.BootState {
	t.Helper()
	ctx, stop := context.WithCancel(suite.ctx)
	t.Cleanup(stop)
	noted := make(chan []api.BootState, 1)
	go func() {
		var states []api.BootState
		q := api.ProgressQuery{Refs: []string{name}, Wait: 10 * time.Second}
		for {
			p, err := client.New(l.SocketPath()).Progress(ctx, q)
			if err != nil {
				noted <- states
				return
			}
			if b := p.Guests[0].Boot; b != nil {
				states = append(states, b.Verdict.State)
			}
			q.Since = p.Revision
		}
	}()
	return func() []api.BootState {
		t.Helper()
		stop()
		states := <-noted
		if !slices.Contains(states, api.Booting) || !slices.Contains(states, api.BootUnknown) {
			t.Errorf("the states were %v", states)
		}
		return states
	}
}

// runSSHD runs Debian's sshd in a guest without an agent.
func runSSHD(t *testing.T, l *lab.Lab, guest *lab.Guest) {
	t.Helper()
	user, _, err := l.NewSSHKey(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	newSSHGuest(t, l, guest, user).serve()
}

// igniteOn has Ignition fetch its configuration.
func igniteOn(platform string) func(t *testing.T, l *lab.Lab, guest *lab.Guest) {
	return func(t *testing.T, l *lab.Lab, guest *lab.Guest) {
		t.Helper()
		equal(t, "what the file is to hold", fetchIgnition(t, l, guest, platform), "data:,Welcome%20to%20web1")
	}
}
