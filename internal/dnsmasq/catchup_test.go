package dnsmasq

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/instance"
)

// What keeps files from being written at the start, such as a full disk, is
// tried again at the next change and by CatchUp.
func TestFilesThatCannotBeWrittenAtTheStart(t *testing.T) {
	guest, later := newGuest(1, "web1"), newGuest(2, "web2")
	for name, again := range map[string]func(*Service){
		"catch up": func(s *Service) { s.CatchUp(t.Context()) },
		"a change": func(s *Service) { must(t, s.Apply(t.Context(), added(later))) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			unblock := l.block(filepath.Join(l.BaseDir, "dhcp"))
			s := New(l.Settings, slog.New(l.log))
			t.Cleanup(func() { must(t, s.Close()) })
			if err := s.Start(t.Context(), []instance.Instance{guest}); err == nil {
				t.Fatal("the start tells nothing of a directory that cannot be made")
			}
			if st := s.Status(); st.Mode != content.Child || st.LastError == "" || st.Live {
				t.Errorf("status is %+v", st)
			}
			if err := s.Apply(t.Context(), added(newGuest(3, "web3"))); err == nil {
				t.Error("a change is said to be live, and is not")
			}
			unblock()
			again(s)
			l.wantServed(guest)
			if st := s.Status(); st.LastError != "" || !st.Live {
				t.Errorf("status is %+v", st)
			}
		})
	}
}

func TestFilesThatCannotBeWrittenForAWhile(t *testing.T) {
	l := newLab(t)
	guest, gone := newGuest(1, "web1"), newGuest(2, "web2")
	s := l.start(guest, gone)
	l.wantServed(gone)
	unblock := l.block(filepath.Join(l.BaseDir, "tmp"))
	if err := s.Apply(t.Context(), removed(gone)); err == nil {
		t.Fatal("nothing is told of files that cannot be written")
	}
	s.CatchUp(t.Context())
	if st := s.Status(); st.LastError == "" {
		t.Errorf("status is %+v", st)
	}
	unblock()
	s.CatchUp(t.Context())
	l.wantServed(guest)
	l.wantGone(gone)
	if st := s.Status(); st.LastError != "" || !st.Live {
		t.Errorf("status is %+v", st)
	}
}

func TestConfigurationThatCannotBeWrittenForAWhile(t *testing.T) {
	l := newLab(t)
	guest := newGuest(1, "web1")
	s := l.start(guest)
	unblock := l.block(filepath.Join(l.BaseDir, "mds.conf"))
	l.Domain = "example.org"
	if err := s.Reconfigure(t.Context(), l.Settings, []instance.Instance{guest}); err == nil {
		t.Fatal("nothing is told of a configuration that cannot be written")
	}
	unblock()
	s.CatchUp(t.Context())
	l.wantServed(guest)
}

// A network that comes late keeps nobody waiting, and is no trouble any more
// when it is there.
func TestNetworkThatComesLate(t *testing.T) {
	l := newLab(t)
	bridge, err := netlink.LinkByName(l.Interface)
	must(t, err)
	addr, err := netlink.ParseAddr("10.122.0.1/16")
	must(t, err)
	metadata, err := netlink.ParseAddr("169.254.169.254/32")
	must(t, err)
	must(t, netlink.AddrDel(bridge, addr))
	must(t, netlink.AddrDel(bridge, metadata))
	guest := newGuest(1, "web1")
	began := time.Now()
	s := l.start(guest)
	if took := time.Since(began); took > startPatience/2 {
		t.Errorf("the start waited %v for a network that is not there", took)
	}
	s.CatchUp(t.Context())
	if st := s.Status(); st.LastError == "" || st.Live {
		t.Errorf("status is %+v", st)
	}
	must(t, netlink.AddrAdd(bridge, addr))
	for range 50 {
		if s.CatchUp(t.Context()); s.Status().Live {
			break
		}
		time.Sleep(20 * time.Millisecond) // until dnsmasq has noticed
	}
	l.wantServed(guest)
	if st := s.Status(); st.LastError != "" || !st.Live {
		t.Errorf("status is %+v", st)
	}
}

// block puts a file where a directory is wanted, or a directory where a file
// is, and returns what takes it away.
func (l *lab) block(path string) (unblock func()) {
	l.t.Helper()
	aside := path + ".aside"
	info, err := os.Stat(path)
	if err == nil {
		must(l.t, os.Rename(path, aside))
	}
	must(l.t, os.MkdirAll(filepath.Dir(path), 0o755))
	if err == nil && !info.IsDir() {
		must(l.t, os.MkdirAll(filepath.Join(path, "full"), 0o755))
	} else {
		must(l.t, os.WriteFile(path, nil, 0o644))
	}
	return func() {
		l.t.Helper()
		must(l.t, os.RemoveAll(path))
		if err == nil {
			must(l.t, os.Rename(aside, path))
		}
	}
}
