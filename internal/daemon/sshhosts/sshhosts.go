// Package sshhosts presents guests to SSH clients as hosts, and gives guests
// certificates for these clients.
package sshhosts

import (
	"cmp"
	"context"
	"encoding/base64"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/hostkeys"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/pace"
)

// Options are what Hosts needs of the server.
type Options struct {
	Notes    hostkeys.Notes // where the keys are kept
	Guests   func() *inventory.Snapshot
	Networks func() []instance.Network // which the names of guests depend on
	Config   func() *config.Config
	Log      *slog.Logger
}

// Hosts answers SSH clients about guests, and gives guests certificates for these
// clients. It implements admin.SSH and report.HostKeys.
type Hosts struct {
	opts      Options
	keys      *hostkeys.Keys
	authority *hostkeys.Authority
}

// Open reads the keys of guests and those that sign certificates, which it makes at
// the first start.
func Open(ctx context.Context, opts Options) (*Hosts, error) {
	keys, err := hostkeys.Open(ctx, opts.Notes, opts.Guests, opts.Log)
	if err != nil {
		return nil, err
	}
	authority, err := hostkeys.OpenAuthority(ctx, opts.Notes)
	if err != nil {
		return nil, err
	}
	return &Hosts{opts, keys, authority}, nil
}

// Run writes what guests report, and signs with the authority's present key, until ctx
// ends.
func (h *Hosts) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { h.keys.Run(ctx) })
	running.Go(func() { h.followAuthority(ctx) })
	running.Wait()
}

// Forget forgets the keys of guests that are released.
func (h *Hosts) Forget(events []instance.Event) { h.keys.Forget(events) }

// Refresh reads again the keys that sign certificates.
func (h *Hosts) Refresh(ctx context.Context) error { return h.authority.Refresh(ctx) }

func (h *Hosts) directory() hostkeys.Directory {
	return hostkeys.Directory{Guests: h.opts.Guests(), Networks: h.opts.Networks()}
}

// Keep records the host keys that a guest reports.
func (h *Hosts) Keep(guest uuid.UUID, keys []ssh.PublicKey) { h.keys.Keep(guest, keys) }

// Certify signs host certificates for keys that a guest reports. There are none
// unless the configuration asks for them.
func (h *Hosts) Certify(ctx context.Context, id uuid.UUID, keys []ssh.PublicKey) []*ssh.Certificate {
	settings, names := h.opts.Config().SSH, h.directory()
	guest, ok := names.Guests.ByUUID(id)
	if !settings.HostCA || !ok {
		return nil
	}
	certificates, err := h.authority.Certify(ctx, guest, names, keys, settings.CertificateLifetime)
	if err != nil {
		h.opts.Log.Error("a guest got no ssh host certificates", "guest", guest.Name, "uuid", id, "error", err)
	}
	return certificates
}

// Find implements admin.SSH.
func (h *Hosts) Find(host string) (*instance.Instance, bool) { return h.directory().Find(host) }

// CA implements admin.SSH.
func (h *Hosts) CA() (api.SSHAuthority, bool) {
	key, former := h.authority.PublicKeys()
	ca := api.SSHAuthority{SSHKey: sshKey(key)}
	for _, f := range former {
		ca.Former = append(ca.Former, api.SSHFormerKey{SSHKey: sshKey(f.Key), Until: f.Until})
	}
	return ca, h.opts.Config().SSH.HostCA
}

// RotateCA implements admin.SSH.
func (h *Hosts) RotateCA(ctx context.Context) error {
	if err := h.authority.Rotate(ctx, h.opts.Config().SSH.CertificateLifetime); err != nil {
		return err
	}
	key, _ := h.authority.PublicKeys()
	h.opts.Log.Info("another key signs ssh host certificates", "fingerprint", ssh.FingerprintSHA256(key))
	return nil
}

// authorityPeriod is how often the server looks for a key that another host has made.
const authorityPeriod = time.Minute

// followAuthority signs with the authority's present key until ctx ends, whichever of
// the hosts that share the database has made it.
func (h *Hosts) followAuthority(ctx context.Context) {
	pace.Every(ctx, authorityPeriod, func() {
		if err := h.authority.Refresh(ctx); err != nil && ctx.Err() == nil {
			h.opts.Log.Warn("the keys that sign ssh host certificates cannot be read again", "error", err)
		}
	})
}

// Describe implements admin.SSH.
func (h *Hosts) Describe(guest *instance.Instance) api.SSHGuest {
	record := h.keys.Of(guest)
	described := api.SSHGuest{
		Name: guest.Name, UUID: guest.UUID, Hostname: guest.Hostname,
		Names: h.directory().Names(guest), Addresses: hostkeys.Addresses(guest),
		User: cmp.Or(guest.Metadata.SSHUser(), h.opts.Config().SSH.User),
		Keys: []api.SSHKey{}, Since: known(record.Since), Reported: known(record.Reported),
	}
	for _, key := range record.Keys {
		described.Keys = append(described.Keys, sshKey(key))
	}
	for _, change := range record.Changes {
		described.Changes = append(described.Changes, api.SSHKeysChange(change))
	}
	return described
}

func sshKey(key ssh.PublicKey) api.SSHKey {
	return api.SSHKey{Type: key.Type(), Key: base64.StdEncoding.EncodeToString(key.Marshal()), Fingerprint: ssh.FingerprintSHA256(key)}
}

// known is a time, or nil for one that is not known.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
