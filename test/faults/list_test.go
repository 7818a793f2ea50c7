//go:build e2e

package faults

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"mdserver/test/lab"
)

var faults = []fault{
	{name: "server killed", harm: func(s *subject) func() {
		s.Kill()
		return s.start
	}},
	{name: "server stopped for a second", harm: func(s *subject) func() {
		s.send(unix.SIGSTOP)
		return func() { s.send(unix.SIGCONT) }
	}},
	{name: "no descriptors", harm: func(s *subject) func() {
		return s.limit(unix.RLIMIT_NOFILE, 3) // it keeps what it has open
	}, said: `too many open files`},
	{name: "no memory", harm: noMemory},
	{name: "full tmpfs", prepare: stateOnTmpfs, harm: fillState, served: true, said: `no space left on device`},
	{name: "full file system", prepare: stateOnLoop, harm: fillState, served: true, said: `no space left on device`},
	{name: "database removed", harm: func(s *subject) func() {
		if err := os.Remove(s.DatabasePath()); err != nil {
			s.t.Fatal(err)
		}
		return func() {}
	}, served: true, said: `the database was removed or replaced while the server ran, and was put back`},
	{name: "database overwritten", harm: func(s *subject) func() {
		if err := os.WriteFile(s.DatabasePath(), garbage(), 0o600); err != nil {
			s.t.Fatal(err)
		}
		return func() {}
	}, served: true, said: `the database was damaged while the server ran, and was written again from memory`},
	{name: "control socket removed", harm: func(s *subject) func() {
		if err := os.Remove(s.SocketPath()); err != nil {
			s.t.Fatal(err)
		}
		return func() {}
	}, served: true, said: `the control socket was removed or replaced, and was created again`},
	{name: "garbage on the control socket", harm: func(s *subject) func() {
		return s.babble(func() (net.Conn, error) { return net.Dial("unix", s.SocketPath()) })
	}, served: true},
	{name: "garbage on the metadata port", harm: func(s *subject) func() {
		return s.babble(func() (conn net.Conn, err error) {
			err = s.Host.Do(func() error {
				conn, err = net.Dial("tcp", net.JoinHostPort(lab.MetadataAddr, "80"))
				return err
			})
			return conn, err
		})
	}, served: true},
	{name: "metadata address gone", harm: func(s *subject) func() {
		s.ip("address", "del", lab.MetadataAddr+"/32", "dev", lab.Bridge)
		return func() { s.ip("address", "add", lab.MetadataAddr+"/32", "dev", lab.Bridge) }
	}},
	{name: "bridge gone", harm: func(s *subject) func() {
		s.ip("link", "del", lab.Bridge)
		return func() {
			ctx := context.Background()
			if err := s.AddBridge(ctx, lab.Bridge, lab.Gateway+"/"+lab.Prefix, lab.MetadataAddr+"/32"); err != nil {
				s.t.Fatal(err)
			}
			if err := s.guest.Attach(ctx, lab.Bridge); err != nil {
				s.t.Fatal(err)
			}
		}
	}},
	{name: "libvirt sends zeros", prepare: fakeLibvirt(func(conn net.Conn) { _, _ = conn.Write(make([]byte, 28)) }),
		harm: nothing, served: true, said: `[^"]*trying again[^"]*`},
	{name: "libvirt sends garbage", prepare: fakeLibvirt(func(conn net.Conn) { _, _ = conn.Write(garbage()) }),
		harm: nothing, served: true, said: `[^"]*trying again[^"]*`},
	{name: "libvirt says nothing", prepare: fakeLibvirt(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }),
		harm: nothing, served: true},
	{name: "libvirtd killed", prepare: realLibvirt, harm: func(s *subject) func() {
		s.libvirt.Kill()
		return func() { s.startLibvirt() }
	}, served: true, said: `[^"]*trying again[^"]*`},
	{name: "libvirtd hung", prepare: realLibvirt, harm: func(s *subject) func() {
		if err := s.libvirt.Signal(unix.SIGSTOP); err != nil {
			s.t.Fatal(err)
		}
		return func() {
			if err := s.libvirt.Signal(unix.SIGCONT); err != nil {
				s.t.Fatal(err)
			}
		}
	}, served: true},
}

func nothing(*subject) func() { return func() {} }

func (s *subject) send(sig syscall.Signal) {
	s.t.Helper()
	if err := s.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *subject) ip(args ...string) {
	s.t.Helper()
	if err := s.Host.IP(context.Background(), args...); err != nil {
		s.t.Fatal(err)
	}
}

// limit gives the server less of a resource, until the function that it returns
// is called.
func (s *subject) limit(resource int, most uint64) (lift func()) {
	s.t.Helper()
	var before unix.Rlimit
	if err := unix.Prlimit(s.Pid(), resource, nil, &before); err != nil {
		s.t.Fatal(err)
	}
	if err := unix.Prlimit(s.Pid(), resource, &unix.Rlimit{Cur: most, Max: before.Max}, nil); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		if err := unix.Prlimit(s.Pid(), resource, &before, nil); err != nil && s.Alive() {
			s.t.Error(err)
		}
	}
}

// noMemory lets the server have no more address space than it has. A commit that
// gets none is refused; Go ends a program that gets none itself, and systemd
// starts it again.
func noMemory(s *subject) func() {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.Pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	var pages uint64
	if _, err := fmt.Sscan(string(text), &pages); err != nil {
		s.t.Fatal(err)
	}
	lift := s.limit(unix.RLIMIT_AS, pages*uint64(os.Getpagesize()))
	return func() {
		lift()
		if !s.Alive() {
			s.start()
		}
	}
}

// diskSize is enough for the database and little else.
const diskSize = 12 << 20

func stateOnTmpfs(s *subject, c lab.Config) lab.Config {
	onTmpfs(s.t, s.Path("state"))
	return c
}

func stateOnLoop(s *subject, c lab.Config) lab.Config {
	image, err := s.WriteFile("disk.img", "")
	if err == nil {
		err = os.Truncate(image, diskSize)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.Host.Output(context.Background(), "mkfs.ext4", "-q", "-m", "0", image); err != nil {
		s.t.Fatal(err)
	}
	dir := s.Path("state")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := command("mount", "-o", "loop", image, dir); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := command("umount", "--lazy", dir); err != nil {
			s.t.Error(err)
		}
	})
	return c
}

// fillState leaves no space beside the database.
func fillState(s *subject) func() { return fill(s.t, s.Path("state")) }

func garbage() []byte {
	data := make([]byte, 4096)
	_, _ = rand.Read(data) // never fails
	return data
}

// babble sends garbage by one connection after the other.
func (s *subject) babble(dial func() (net.Conn, error)) (end func()) {
	ended := make(chan struct{})
	var babbling sync.WaitGroup
	babbling.Go(func() {
		for range 500 {
			conn, err := dial()
			if err != nil {
				continue
			}
			_, _ = conn.Write(garbage())
			_ = conn.Close()
			select {
			case <-ended:
				return
			default:
			}
		}
	})
	return func() {
		close(ended)
		babbling.Wait()
	}
}

// fakeLibvirt is a libvirt that does to each connection what speak does.
func fakeLibvirt(speak func(net.Conn)) func(*subject, lab.Config) lab.Config {
	return func(s *subject, c lab.Config) lab.Config {
		path := s.Path("libvirt-sock")
		l, err := net.Listen("unix", path)
		if err != nil {
			s.t.Fatal(err)
		}
		s.OnClose(l.Close)
		go func() { // ends with the listener
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					speak(conn)
				}()
			}
		}()
		return c.Set("libvirt", "uri", "qemu+unix:///system?socket="+path)
	}
}

func realLibvirt(s *subject, c lab.Config) lab.Config {
	if err := lab.Check("libvirtd", "virsh"); err != nil {
		s.t.Fatal(err)
	}
	s.startLibvirt()
	return c.Set("libvirt", "uri", s.libvirt.URI)
}

func (s *subject) startLibvirt() {
	s.t.Helper()
	_ = os.Remove(filepath.Join(s.Path("libvirt"), "libvirtd.pid"))
	v, err := s.StartLibvirt(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	s.libvirt = v
}
