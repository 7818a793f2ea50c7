package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
	"mdserver/internal/dnsmasq/lines"
)

func procDir(pid int) string { return fmt.Sprintf("/proc/%d", pid) }

func TestConfFiles(t *testing.T) {
	for args, want := range map[string][]string{
		"":                               nil,
		"--conf-file=/a":                 {"/a"},
		"--conf-file /a":                 {"/a"},
		"-C /a":                          {"/a"},
		"-C/a":                           {"/a"},
		"-C=/a":                          {"/a"},
		"-Ca":                            {"a"},
		"-C":                             nil,
		"--conf-file":                    nil,
		"-k --conf-file=/a -C /b --test": {"/a", "/b"},
		"--conf-dir=/a":                  nil,
	} {
		p := &found{args: append([]string{"dnsmasq"}, strings.Fields(args)...)}
		if got := p.confFiles(); !slices.Equal(got, want) {
			t.Errorf("%q names %q, want %q", args, got, want)
		}
	}
}

func TestMayServe(t *testing.T) {
	dir := t.TempDir()
	conf, other, link := filepath.Join(dir, "mds.conf"), filepath.Join(dir, "other.conf"), filepath.Join(dir, "link.conf")
	must(t, os.WriteFile(conf, nil, 0o644))
	must(t, os.WriteFile(other, nil, 0o644))
	must(t, os.Symlink(conf, link))
	cwd, err := os.Getwd()
	must(t, err)
	relative, err := filepath.Rel(cwd, conf)
	must(t, err)
	const gone = 1 << 30 // the number of no process
	for _, tt := range []struct {
		pid  int
		file string
		want bool
	}{
		{os.Getpid(), "", true}, {os.Getpid(), conf, true}, {os.Getpid(), dir + "/./mds.conf", true}, {os.Getpid(), link, true},
		{os.Getpid(), other, false}, {os.Getpid(), filepath.Join(dir, "gone.conf"), false}, {os.Getpid(), relative, true},
		{os.Getpid(), "mds.conf", false}, {gone, "somewhere/mds.conf", true}, {gone, "other.conf", false},
	} {
		p := &found{pid: tt.pid, args: []string{"dnsmasq"}}
		if tt.file != "" {
			p.args = append(p.args, "--conf-file="+tt.file)
		}
		if got := p.mayServe(conf); got != tt.want {
			t.Errorf("%q of process %d: %v", tt.file, tt.pid, got)
		}
		for _, marked := range []bool{false, true} {
			if marked {
				p.args = append(p.args, content.ChildRecord)
			}
			if got := p.ours(conf); got != (tt.want && marked) {
				t.Errorf("%q of process %d is ours: %v", tt.file, tt.pid, got)
			}
		}
	}
}

func TestFind(t *testing.T) {
	place := newPlace(t)
	other := runOther(t, place, "dnsmasq", "--conf-file="+place.ConfigFile(), "--user=root")
	p, err := find(other.Process.Pid)
	must(t, err)
	defer p.release()
	if want := []string{place.Binary, "--conf-file=" + place.ConfigFile(), "--user=root"}; !slices.Equal(p.args, want) || !p.alive() {
		t.Errorf("arguments %q, alive %v", p.args, p.alive())
	}
	must(t, other.Process.Kill())
	eventually(t, "it is a zombie", func() bool { return zombie(other.Process.Pid) })
	if p.alive() {
		t.Error("a zombie is alive")
	}
	if _, err := find(other.Process.Pid); err == nil {
		t.Error("a zombie is found")
	}
	_ = other.Wait()
	if p.alive() || !zombie(other.Process.Pid) {
		t.Error("it is alive after its end")
	}
	for _, pid := range []int{os.Getpid(), other.Process.Pid, 1 << 30} {
		if _, err := find(pid); err == nil {
			t.Errorf("process %d is a dnsmasq", pid)
		}
	}
}

func TestParentAndState(t *testing.T) {
	if parent, state := parentAndState(os.Getpid()); parent != os.Getppid() || !strings.ContainsRune("RS", rune(state)) {
		t.Errorf("parent %d, want %d; state %c", parent, os.Getppid(), state)
	}
	if parent, state := parentAndState(1 << 30); parent != 0 || state != 'X' {
		t.Errorf("parent %d, state %c of no process", parent, state)
	}
}

func TestSameProgram(t *testing.T) {
	if !sameProgram(os.Getpid()) {
		t.Error("this is not the same program")
	}
	sleep := exec.Command("sleep", "60")
	must(t, sleep.Start())
	defer kill(sleep)
	if sameProgram(sleep.Process.Pid) || sameProgram(1<<30) {
		t.Error("another program is the same")
	}
}

func TestStopFound(t *testing.T) {
	t.Parallel()
	for _, conf := range []string{"", "ignore-term"} {
		place := newPlace(t, conf)
		other := runOther(t, place, "dnsmasq", "--conf-file="+place.ConfigFile())
		p, err := find(other.Process.Pid)
		must(t, err)
		must(t, p.stop(grace))
		want := syscall.SIGTERM
		if conf != "" {
			want = syscall.SIGKILL
		}
		_ = other.Wait()
		must(t, p.stop(grace)) // which has ended already
		p.release()
		if got := other.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != want {
			t.Errorf("%q was ended by %v, want %v", conf, got, want)
		}
	}
}

func TestStopThatTakesTooLong(t *testing.T) {
	place := newPlace(t)
	other := runOther(t, place, "dnsmasq", "--conf-file="+place.ConfigFile())
	p, err := find(other.Process.Pid)
	must(t, err)
	defer p.release()
	if err := p.stop(0); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d, does not end", p.pid)) {
		t.Errorf("error %v", err)
	}
}

// What a killed mdserver left behind is ended before another dnsmasq is started.
// A dnsmasq of another configuration, or that mdserver did not start, is left alone.
func TestOrphans(t *testing.T) {
	t.Parallel()
	place, elsewhere := newPlace(t), newPlace(t)
	orphan := runOther(t, place, "dnsmasq", content.ChildRecord, "--conf-file="+place.ConfigFile())
	further := runOther(t, elsewhere, "dnsmasq", content.ChildRecord, "--conf-file="+elsewhere.ConfigFile())
	foreign := runOther(t, place, "dnsmasq", "--conf-file="+place.ConfigFile())
	adopted := exec.Command("sh", "-c", `"$0" "$@" & wait`, place.Binary, content.ChildRecord, "--conf-file="+place.ConfigFile())
	must(t, adopted.Start()) // by a program that is no mdserver
	defer kill(adopted)
	eventually(t, "both orphans run", func() bool {
		orphans, err := newHost(place).orphans()
		must(t, err)
		for _, o := range orphans {
			o.release()
		}
		return len(orphans) == 2
	})
	log, b := newLog()
	c := Start(place, files.New(place), log, lines.Clients{})
	defer c.Close()
	_, err := c.Wait(t.Context())
	must(t, err)
	if !zombie(orphan.Process.Pid) {
		t.Error("the orphan runs")
	}
	must(t, adopted.Wait()) // which it does when its dnsmasq has ended
	if zombie(further.Process.Pid) || zombie(foreign.Process.Pid) {
		t.Error("another dnsmasq was ended")
	}
	wantText(t, b.String(), "stopping the dnsmasq of an earlier mdserver", fmt.Sprint("pid=", orphan.Process.Pid))
}

// Two servers do not fight over one network.
func TestDnsmasqOfAnotherServer(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	server := runOther(t, place, "mdserver", content.ChildRecord, "--conf-file="+place.ConfigFile())
	orphans, err := newHost(place).orphans()
	if want := fmt.Sprintf("another mdserver that is running, process %d", server.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("orphans %v, error %v", orphans, err)
	}
	log, _ := newLog()
	c := Start(place, files.New(place), log, lines.Clients{})
	defer c.Close()
	if _, err := c.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "another mdserver") {
		t.Errorf("error %v", err)
	}
	kill(server)
}
