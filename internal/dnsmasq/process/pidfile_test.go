package process

import (
	"os"
	"testing"
	"testing/synctest"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
)

func TestFromPIDFile(t *testing.T) {
	place, elsewhere := newPlace(t), newPlace(t)
	conf := "--conf-file=" + place.ConfigFile()
	right := runOther(t, place, "dnsmasq", conf).Process.Pid
	plain := runOther(t, place, "dnsmasq", "-C"+place.ConfigFile()).Process.Pid
	child := runOther(t, place, "dnsmasq", content.ChildRecord, conf).Process.Pid
	wrong := runOther(t, elsewhere, "dnsmasq", "--conf-file="+elsewhere.ConfigFile()).Process.Pid
	for name, tt := range map[string]struct{ external, own, want int }{
		"none":                          {0, 0, 0},
		"of a unit":                     {right, 0, right},
		"of an earlier version":         {0, plain, plain},
		"both":                          {right, plain, right},
		"a child of mdserver":           {0, child, 0},
		"another configuration":         {wrong, 0, 0},
		"another one, and the right":    {wrong, right, right},
		"no dnsmasq":                    {os.Getpid(), 0, 0},
		"the first process of the host": {1, 0, 0},
		"a process that has ended":      {1 << 30, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for file, pid := range map[string]int{place.ExternalPIDFile(): tt.external, place.PIDFile(): tt.own} {
				_ = os.Remove(file)
				if pid != 0 {
					writePID(t, file, pid)
				}
			}
			got := 0
			if p := newHost(place).fromPIDFile(); p != nil {
				got = p.pid
				p.release()
			}
			if got != tt.want {
				t.Errorf("process %d, want %d", got, tt.want)
			}
		})
	}
	must(t, os.WriteFile(place.ExternalPIDFile(), []byte("no number\n"), 0o644))
	must(t, os.RemoveAll(place.PIDFile()))
	if newHost(place).fromPIDFile() != nil {
		t.Error("a pid-file without a number names a process")
	}
}

func TestPIDFileOfAChild(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		must(t, os.WriteFile(place.PIDFile(), []byte("1\n"), 0o600)) // as an earlier version left it
		c, _ := startFake(t, always(life{}), place)
		synctest.Wait()
		info, err := os.Stat(place.PIDFile())
		must(t, err)
		if text, _ := os.ReadFile(place.PIDFile()); string(text) != "1073741824\n" || info.Mode() != 0o644 {
			t.Errorf("the pid-file says %q, mode %v", text, info.Mode())
		}
		writePID(t, place.PIDFile(), 77) // of another service
		must(t, c.Close())
		if text, err := os.ReadFile(place.PIDFile()); string(text) != "77\n" {
			t.Errorf("the pid-file of another process says %q, %v", text, err)
		}
	})
}

func TestPIDFileThatCannotBeWritten(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		must(t, os.MkdirAll(place.PIDFile()+"/in-the-way", 0o755))
		c, log := startFake(t, always(life{}), place)
		_, err := c.Wait(t.Context())
		must(t, err)
		wantText(t, log.String(), "pid-file cannot be written")
	})
}
