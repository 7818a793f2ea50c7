package process

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"mdserver/internal/api"
)

func TestFollow(t *testing.T) {
	place := newPlace(t)
	e := Follow(place)
	wantNone := func() {
		t.Helper()
		now, err := e.Wait(t.Context())
		st := api.Dnsmasq{Live: true}
		if e.Report(&st); e.Peek() != nil || now != nil || err != nil || st.Live || st.PID != 0 {
			t.Errorf("%+v runs, %v, status %+v", now, err, st)
		}
	}
	wantNone()
	first := runOther(t, place, "dnsmasq", "--conf-file="+place.ConfigFile())
	writePID(t, place.ExternalPIDFile(), first.Process.Pid)
	before := e.Peek()
	if again := e.Peek(); before == nil || before.PID != first.Process.Pid || before.Ours || again.Epoch != before.Epoch {
		t.Fatalf("%+v runs, and then %+v", before, again)
	}
	st := api.Dnsmasq{Live: true}
	if e.Report(&st); st != (api.Dnsmasq{Live: true, PID: before.PID}) {
		t.Errorf("status %+v", st)
	}
	if err := e.Restart(t.Context(), syscall.SIGTERM); !errors.Is(err, ErrNotOurs) {
		t.Errorf("a restart comes to %v", err)
	}
	must(t, before.Signal(syscall.SIGTERM))
	_ = first.Wait()
	wantNone()
	if err := before.Signal(syscall.SIGTERM); err == nil {
		t.Error("a process that has ended takes a signal")
	}
	second := runOther(t, place, "dnsmasq", "--conf-file="+place.ConfigFile())
	writePID(t, place.ExternalPIDFile(), second.Process.Pid)
	if now := e.Peek(); now == nil || now.PID != second.Process.Pid || now.Epoch == before.Epoch {
		t.Errorf("after %+v, %+v runs", before, now)
	}
	must(t, e.Close())
	must(t, e.Close())
	if e.process != nil {
		t.Error("Close keeps the process open")
	}
	if p, err := find(second.Process.Pid); err != nil {
		t.Error("Close ended the other service's dnsmasq")
	} else {
		p.release()
	}
}

// One takes the other's place between two looks.
func TestFollowTheNext(t *testing.T) {
	place := newPlace(t)
	e := Follow(place)
	defer e.Close()
	var last *Running
	for range 2 {
		other := runOther(t, place, "dnsmasq", "--conf-file="+place.ConfigFile())
		writePID(t, place.ExternalPIDFile(), other.Process.Pid)
		now := e.Peek()
		if now == nil || now.PID != other.Process.Pid || last != nil && now.Epoch == last.Epoch {
			t.Fatalf("after %+v, %+v runs", last, now)
		}
		last = now
	}
}

// A process of another user is signalled by the launcher, if there is one.
func TestSignalOfAnotherUsersProcess(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may signal every process")
	}
	init, err := os.FindProcess(1)
	must(t, err)
	place := newPlace(t)
	signal := newHost(place).signaller(&found{pid: 1, os: init})
	if err := signal(syscall.Signal(0)); !errors.Is(err, syscall.EPERM) {
		t.Errorf("without a launcher: %v", err)
	}
	place.Launcher = t.TempDir() + "/none"
	if err := newHost(place).signaller(&found{pid: 1, os: init})(syscall.Signal(0)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with a launcher that does not run: %v", err)
	}
}

func TestAbsent(t *testing.T) {
	var a Absent
	var st api.Dnsmasq
	a.Report(&st)
	now, err := a.Wait(t.Context())
	if a.Peek() != nil || now != nil || err != nil || st != (api.Dnsmasq{}) || a.Close() != nil {
		t.Errorf("%+v, %v, %+v", now, err, st)
	}
	if err := a.Restart(t.Context(), syscall.SIGTERM); !errors.Is(err, ErrNotOurs) {
		t.Errorf("a restart comes to %v", err)
	}
}
