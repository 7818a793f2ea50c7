package store

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/cli/command"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/boltstore"
)

// host is a host without a server. It has a database and a configuration.
type host struct {
	t        *testing.T
	dir      string
	database string
	config   string
}

// newHost returns a host with guests, and the given lines in section [store] of its configuration.
func newHost(t *testing.T, store string, guests ...instance.Instance) *host {
	dir := t.TempDir()
	h := &host{t: t, dir: dir, database: filepath.Join(dir, "mdserver.db"), config: filepath.Join(dir, "mdserver.conf")}
	h.configure(store)
	h.write(nil, guests...)
	return h
}

func (h *host) configure(store string) {
	text := fmt.Sprintf("[mdserver]\ndatabase = %s\nsocket = /none/sock\n[store]\n%s\n", h.database, store)
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// write puts guests and notes into the database.
func (h *host) write(notes map[string]string, guests ...instance.Instance) {
	h.t.Helper()
	db, err := boltstore.Open(h.database, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	if err := db.Apply(h.t.Context(), []instance.Change{{Put: guests}}); err != nil {
		h.t.Fatal(err)
	}
	for key, text := range notes {
		if err := db.SetNote(h.t.Context(), key, text); err != nil {
			h.t.Fatal(err)
		}
	}
}

// run runs a command below `mdserver store`, and returns its output, with DIR
// for the host's directory.
func (h *host) run(args string) (stdout string, err error) {
	h.t.Helper()
	h.t.Setenv(command.EnvConfig, h.config)
	h.t.Setenv(command.EnvSocket, "")
	var out bytes.Buffer
	cmd := Command()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(strings.Fields(args))
	err = cmd.ExecuteContext(h.t.Context())
	return h.short(out.String()), err
}

// short replaces the host's directory in a text by DIR.
func (h *host) short(text string) string { return strings.ReplaceAll(text, h.dir, "DIR") }

// guest returns guest number n.
func guest(n int, changes ...func(*instance.Instance)) instance.Instance {
	g := instance.Instance{
		Name: fmt.Sprintf("web%d", n), Hostname: fmt.Sprintf("web%d", n), ID: fmt.Sprintf("i-%d", n), UUID: uuid.UUID{1, byte(n)}, Network: "mds",
		MAC: instance.MAC{0x52, 0x54, 0, 0, 0, byte(n)}, IPv4: netip.AddrFrom4([4]byte{10, 122, 0, byte(n)}), LastUpdate: time.Unix(int64(n), 0).UTC(),
	}
	for _, change := range changes {
		change(&g)
	}
	return g
}

// resting returns the address of guest number n, in quarantine.
func resting(n int) instance.Resting {
	return instance.Resting{Addr: netip.AddrFrom4([4]byte{10, 122, 0, byte(n)}), UUID: uuid.UUID{1, byte(n)}, Since: time.Unix(1, 0).UTC()}
}

// endpoints returns the lines of [store] for a cluster.
func endpoints(list []string, prefix string) string {
	return "endpoints = " + strings.Join(list, ", ") + "\nprefix = " + prefix
}

// nowhere is a cluster that does not answer.
var nowhere = endpoints([]string{"http://127.0.0.1:9"}, "/mdserver/")

func backendOf(backend, store string) string { return "backend = " + backend + "\n" + store }
