package cli

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/hostkeys"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
)

// reported has a server that does not run know host keys as if a guest had
// reported them: reported NAME KEY.pub... Beside each key is its certificate then.
func reported(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: reported NAME KEY.pub...")
	}
	check := func(err error) {
		if err != nil {
			ts.Fatalf("reported %s: %v", args[0], err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	store, err := boltstore.Open(ts.MkAbs("mdserver.db"), log)
	check(err)
	inv, err := inventory.Open(context.Background(), store, inventory.Options{})
	check(err)
	defer func() { _ = inv.Close() }()
	keys, err := hostkeys.Open(context.Background(), store, inv.Snapshot, log)
	check(err)
	authority, err := hostkeys.OpenAuthority(context.Background(), store)
	check(err)
	guest, err := inv.Snapshot().Find(args[0])
	check(err)
	var all []ssh.PublicKey
	for _, file := range args[1:] {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(ts.ReadFile(file)))
		check(err)
		all = append(all, key)
		certificates, err := authority.Certify(context.Background(), guest, hostkeys.Directory{Guests: inv.Snapshot()}, []ssh.PublicKey{key}, time.Hour)
		check(err)
		check(os.WriteFile(ts.MkAbs(file[:len(file)-len(filepath.Ext(file))]+"-cert.pub"), ssh.MarshalAuthorizedKey(certificates[0]), 0o600))
	}
	keys.Keep(guest.UUID, all)
	ended, end := context.WithCancel(context.Background())
	end()
	keys.Run(ended)
}
