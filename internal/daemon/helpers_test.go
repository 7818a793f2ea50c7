package daemon

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/identity"
	"mdserver/internal/logging"
	"mdserver/internal/roottest"
)

// Some of these tests apply networks to the host that they run on.
func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	writeFile(t, file, text)
	return loadFile(t, file)
}

func writeFile(tb testing.TB, file, text string) {
	tb.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

func loadFile(tb testing.TB, file string) *config.Config {
	tb.Helper()
	cfg, _, err := config.Load(file)
	if err != nil {
		tb.Fatal(err)
	}
	return cfg
}

// newDaemon makes a server that does not run, and logs nothing.
func newDaemon(tb testing.TB, cfg *config.Config) *Daemon {
	tb.Helper()
	d, end := openDaemon(tb, cfg, io.Discard)
	tb.Cleanup(end)
	return d
}

// openDaemon makes a server that does not run, with its log, until end is called.
func openDaemon(tb testing.TB, cfg *config.Config, stdout io.Writer) (d *Daemon, end func()) {
	tb.Helper()
	giveIdentity(tb, cfg)
	logs := logging.Open(cfg, stdout)
	d, err := New(tb.Context(), cfg, Options{ConfigFile: "mdserver.conf", Log: logs})
	if err != nil {
		tb.Fatal(err)
	}
	return d, func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
		logs.Close()
	}
}

// giveIdentity gives a server the identity authority that all tests share, unless it has
// one: a key takes a tenth of a second.
func giveIdentity(tb testing.TB, cfg *config.Config) {
	tb.Helper()
	text, err := sharedIdentity()
	if err != nil {
		tb.Fatal(err)
	}
	file, err := os.OpenFile(cfg.Server.Identity, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return
	}
	if err != nil {
		tb.Fatal(err)
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		tb.Fatal(err)
	}
}

// sharedIdentity makes an identity authority, once.
var sharedIdentity = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "identity")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "identity.pem")
	if _, _, err := identity.Open(file, "kvm1"); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})
