package process

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"mdserver/internal/launcher"
)

// launcherReady reports whether the launcher can start dnsmasq as its user. The
// error is fs.ErrNotExist if this host has none.
func (h host) launcherReady() error {
	if _, err := os.Stat(filepath.Dir(h.Launcher)); h.Launcher == "" || err != nil {
		return fs.ErrNotExist
	}
	uid, err := launcher.Socket(h.Launcher).User()
	if err == nil && uid != h.Account.UID {
		err = fmt.Errorf("the launcher at %s runs as user %d, not as %s", h.Launcher, uid, h.Account.Name)
	}
	return err
}

// launched was started by the launcher.
type launched struct {
	*launcher.Process
	copied <-chan error
	output *os.File
}

func (l launched) Pid() int { return l.PID }

func (l launched) Wait() error {
	err := l.Process.Wait()
	select {
	case <-l.copied:
	case <-time.After(logDrain):
	}
	_ = l.output.Close() // which ends the copying
	return err
}

// byLauncher has the launcher start dnsmasq as its user.
func (h host) byLauncher(args []string, output io.Writer) (running, error) {
	binary, err := exec.LookPath(h.Binary)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	process, err := launcher.Socket(h.Launcher).Start(append([]string{binary}, args...), w)
	_ = w.Close() // the launcher has it
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(output, r)
		copied <- err
	}()
	return launched{process, copied, r}, nil
}
