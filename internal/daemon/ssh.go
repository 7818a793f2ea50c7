package daemon

import (
	"cmp"
	"context"
	"encoding/base64"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/api"
	"mdserver/internal/hostkeys"
	"mdserver/internal/instance"
	"mdserver/internal/pace"
)

// sshHosts answers SSH clients about guests, and gives guests certificates for
// these clients.
type sshHosts struct {
	d         *Daemon
	keys      *hostkeys.Keys
	authority *hostkeys.Authority
}

func (d *Daemon) openSSH(ctx context.Context) (*sshHosts, error) {
	keys, err := hostkeys.Open(ctx, d.store.Database, d.inventory.Snapshot, d.log)
	if err != nil {
		return nil, err
	}
	authority, err := hostkeys.OpenAuthority(ctx, d.store.Database)
	if err != nil {
		return nil, err
	}
	return &sshHosts{d, keys, authority}, nil
}

func (h *sshHosts) directory() hostkeys.Directory {
	return hostkeys.Directory{Guests: h.d.inventory.Snapshot(), Networks: h.d.router.Load().Networks}
}

// Keep records the host keys that a guest reports.
func (h *sshHosts) Keep(guest uuid.UUID, keys []ssh.PublicKey) { h.keys.Keep(guest, keys) }

// Certify signs host certificates for keys that a guest reports. There are none
// unless the configuration asks for them.
func (h *sshHosts) Certify(ctx context.Context, id uuid.UUID, keys []ssh.PublicKey) []*ssh.Certificate {
	settings, names := h.d.config.Load().SSH, h.directory()
	guest, ok := names.Guests.ByUUID(id)
	if !settings.HostCA || !ok {
		return nil
	}
	certificates, err := h.authority.Certify(ctx, guest, names, keys, settings.CertificateLifetime)
	if err != nil {
		h.d.log.Error("a guest got no ssh host certificates", "guest", guest.Name, "uuid", id, "error", err)
	}
	return certificates
}

// Find implements admin.SSH.
func (h *sshHosts) Find(host string) (*instance.Instance, bool) { return h.directory().Find(host) }

// CA implements admin.SSH.
func (h *sshHosts) CA() (api.SSHAuthority, bool) {
	key, former := h.authority.PublicKeys()
	ca := api.SSHAuthority{SSHKey: sshKey(key)}
	for _, f := range former {
		ca.Former = append(ca.Former, api.SSHFormerKey{SSHKey: sshKey(f.Key), Until: f.Until})
	}
	return ca, h.d.config.Load().SSH.HostCA
}

// RotateCA implements admin.SSH.
func (h *sshHosts) RotateCA(ctx context.Context) error {
	if err := h.authority.Rotate(ctx, h.d.config.Load().SSH.CertificateLifetime); err != nil {
		return err
	}
	key, _ := h.authority.PublicKeys()
	h.d.log.Info("another key signs ssh host certificates", "fingerprint", ssh.FingerprintSHA256(key))
	return nil
}

// authorityPeriod is how often it is looked for a key that another host has made.
const authorityPeriod = time.Minute

// followAuthority signs with the authority's present key until ctx ends, whichever of
// the hosts that share the database has made it.
func (h *sshHosts) followAuthority(ctx context.Context) {
	pace.Every(ctx, authorityPeriod, func() {
		if err := h.authority.Refresh(ctx); err != nil && ctx.Err() == nil {
			h.d.log.Warn("the keys that sign ssh host certificates cannot be read again", "error", err)
		}
	})
}

// Describe implements admin.SSH.
func (h *sshHosts) Describe(guest *instance.Instance) api.SSHGuest {
	record := h.keys.Of(guest)
	described := api.SSHGuest{
		Name: guest.Name, UUID: guest.UUID, Hostname: guest.Hostname,
		Names: h.directory().Names(guest), Addresses: hostkeys.Addresses(guest),
		User: cmp.Or(guest.Metadata.SSHUser(), h.d.config.Load().SSH.User),
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
