//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
)

// benchHost is a lab for a benchmark, with libvirtd and a server that is yet
// to be started.
func benchHost(b *testing.B) (*lab.Lab, *lab.Libvirt, *lab.Server) {
	b.Helper()
	l, err := lab.New(suite.ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	v, err := l.StartLibvirt(suite.ctx)
	if err != nil {
		b.Fatal(err)
	}
	s, err := l.NewServer(suite.binary, l.Config().Set("libvirt", "uri", v.URI))
	if err != nil {
		b.Fatal(err)
	}
	return l, v, s
}

// BenchmarkFirstList measures how long the server takes from its start until it
// knows a thousand domains that are new to it, and the memory it has then.
func BenchmarkFirstList(b *testing.B) {
	const count = 1000
	l, v, s := benchHost(b)
	var commands strings.Builder
	for n := range count {
		mac := fmt.Sprintf("52:54:00:5c:%02x:%02x", n>>8, n&255)
		text := strings.Replace(machine(fmt.Sprintf("web%d", n), n, 0), machineMAC(n, 0), mac, 1)
		file, err := l.WriteFile(fmt.Sprintf("machines/%d.xml", n), text)
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(&commands, "define %s;", file)
	}
	if _, err := v.Virsh(suite.ctx, commands.String()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := s.Start(suite.ctx); err != nil {
			b.Fatal(err)
		}
		st := waitConnected(b, s)
		b.ReportMetric(float64(st.Libvirt.Since.Sub(st.Started).Milliseconds()), "ms/list")
		b.ReportMetric(float64(st.Guests), "guests")
		b.ReportMetric(resident(b, s.Pid()), "MiB")
		b.StopTimer()
		if err := s.Stop(20 * time.Second); err != nil {
			b.Fatal(err)
		}
		for _, dir := range []string{"state", "dnsmasq"} {
			if err := os.RemoveAll(l.Path(dir)); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.Mkdir(l.Path("state"), 0o755); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

type benchStatus struct {
	Started time.Time
	Guests  int
	Libvirt struct {
		Connected bool
		Since     time.Time
	}
}

func waitConnected(b *testing.B, s *lab.Server) benchStatus {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		out, err := s.Run(suite.ctx, nil, "status", "--json")
		if err != nil {
			b.Fatal(err)
		}
		var st benchStatus
		if err := json.Unmarshal([]byte(out), &st); err != nil {
			b.Fatal(err)
		}
		if st.Libvirt.Connected {
			return st
		}
	}
	b.Fatal("mdserver does not reach libvirt")
	return benchStatus{}
}

// resident is a process's memory in MiB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); err == nil {
			return kib / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

// BenchmarkHook measures what the hook adds to the start of a guest that is
// known, beside a call of it that has nothing to do.
func BenchmarkHook(b *testing.B) {
	l, _, s := benchHost(b)
	if err := s.Start(suite.ctx); err != nil {
		b.Fatal(err)
	}
	definition := machine("web1", 1, 1)
	for _, bb := range []struct {
		name string
		args []string
	}{{"hook", []string{"hook", "web1", "prepare", "begin", "-"}}, {"nothing", []string{"hook", "web1", "stopped", "end", "-"}}} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				cmd := l.Host.Command(suite.ctx, suite.binary, bb.args...)
				cmd.Env = append(os.Environ(), "MDSERVER_SOCKET="+l.SocketPath())
				cmd.Stdin = strings.NewReader(definition)
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
		})
	}
}
