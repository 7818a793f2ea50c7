package keys

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/health"
	"mdserver/internal/imds"
)

// newPair returns a host that has shared its keys, and one that will start with them.
func newPair(t *testing.T) (first, second *host) {
	t.Helper()
	shared, key := &shelf{}, newKeyFile(t)
	first, second = newHost(t, shared, key), newHost(t, shared, key)
	first.start()
	return first, second
}

// mustTell checks the trouble that a host reports with its keys; message is "" for none.
func (h *host) mustTell(state health.State, message string, look ...string) {
	h.t.Helper()
	troubles := h.keys.Trouble()
	if message == "" {
		if len(troubles) > 0 {
			h.t.Errorf("trouble %+v, want none", troubles)
		}
		return
	}
	if len(troubles) != 1 || troubles[0].Part != "keys" || troubles[0].State != state || troubles[0].Message != message || !slices.Equal(troubles[0].Look, look) {
		h.t.Errorf("trouble %+v, want %v %q, look at %q", troubles, state, message, look)
	}
}

const (
	ofItsOwn  = "this host uses keys of its own for tokens, identity documents and ssh host certificates: "
	asKnown   = "this host uses the shared keys as it knew them: "
	otherwise = "this host has got the keys that the hosts share, and uses them after a restart"
)

// mustRestart checks whether a host asks for a restart of its server.
func (h *host) mustRestart(want bool) {
	h.t.Helper()
	h.keys.followOnce(h.t.Context())
	if want {
		h.mustTell(health.Warning, otherwise, "systemctl restart mdserver")
	} else {
		h.mustTell("", "")
	}
}

// mustHaveKeysOf checks that a host uses and keeps the keys of another host.
func (h *host) mustHaveKeysOf(other *host) {
	h.t.Helper()
	guest, now := uuid.UUID{15: 1}, other.keys.TokenKey.Now()
	token := other.keys.TokenKey.Issue(guest, now+time.Minute)
	if err := h.keys.TokenKey.Verify(token, guest, now); err != nil {
		h.t.Errorf("a token of the other host is refused: %v", err)
	}
	ofThisBoot, err := imds.ParseKey(h.note(tokenKeyName))
	if err != nil || ofThisBoot.Verify(token, guest, now) == nil {
		h.t.Errorf("a token is good only in this boot of the host (%v)", err)
	}
	if string(h.keys.Identity.Certificate()) != string(other.keys.Identity.Certificate()) {
		h.t.Error("identity documents are signed with another key")
	}
	for _, name := range []string{tokenKeyName, sshNote} {
		if h.note(name) != other.note(name) {
			h.t.Errorf("%s in the database is another one", name)
		}
	}
	if h.identity() != other.identity() {
		h.t.Error("the identity authority in the file is another one")
	}
}

// TestShare checks that the first host shares its keys, and that the second one replaces its
// own by them.
func TestShare(t *testing.T) {
	first, second := newPair(t)
	second.open()
	former := second.identity()
	second.start()
	second.mustHaveKeysOf(first)
	for _, h := range []*host{first, second} {
		if h.refreshed != 1 || h.read != h.note(sshNote) || !strings.Contains(h.log.String(), "uses the keys that the hosts share\" key="+h.key) || !h.keys.Shared() {
			t.Errorf("read %d times, shared %v: %s", h.refreshed, h.keys.Shared(), &h.log)
		}
		h.mustRestart(false)
	}
	if info, err := os.Stat(second.cfg.Server.Identity); err != nil || info.Mode() != 0o600 {
		t.Errorf("the identity authority is %v (%v)", info, err)
	}
	copies, err := filepath.Glob(second.cfg.Server.Identity + ".replaced-*")
	if err != nil || len(copies) != 1 {
		t.Fatalf("copies of the host's own identity authority: %q (%v)", copies, err)
	}
	if kept, err := os.ReadFile(copies[0]); err != nil || string(kept) != former {
		t.Errorf("the copy is of another authority (%v)", err)
	}
}

// TestLaterStart checks that a later start needs no etcd and changes nothing.
func TestLaterStart(t *testing.T) {
	for _, away := range []bool{false, true} {
		first, second := newPair(t)
		second.start()
		second.shelf.away = away
		second.start()
		second.mustHaveKeysOf(first)
		second.mustRestart(false)
		if second.refreshed != 1 || second.log.Len() > 0 {
			t.Errorf("etcd away: %v; read %d times: %s", away, second.refreshed, &second.log)
		}
	}
}

// TestFirstStartWithoutEtcd checks that a host that does not reach etcd at its first start
// uses its own keys until a restart.
func TestFirstStartWithoutEtcd(t *testing.T) {
	first, late := newPair(t)
	late.shelf.away = true
	late.start()
	late.mustTell(health.Wrong, ofItsOwn+errAway.Error(), "mdserver store check")
	late.keys.followOnce(t.Context())
	late.mustTell(health.Wrong, ofItsOwn+errAway.Error(), "mdserver store check")
	if complaints := strings.Count(late.log.String(), "level=ERROR"); complaints != 1 || late.refreshed != 0 {
		t.Errorf("%d complaints, read %d times: %s", complaints, late.refreshed, &late.log)
	}

	late.shelf.away = false
	late.mustRestart(true)
	late.mustRestart(true) // it still asks when nothing has changed since
	if late.refreshed != 1 || late.read != first.note(sshNote) {
		t.Errorf("the key of ssh host certificates was read %d times", late.refreshed)
	}
	if late.keys.TokenKey.Text() == first.keys.TokenKey.Text() {
		t.Error("the running server has got another key of tokens")
	}
	late.start()
	late.mustHaveKeysOf(first)
	late.mustRestart(false)
}

// TestFirstToShareAfterItsStart checks that a host that shares its keys first, but only after
// its start, has to start again.
func TestFirstToShareAfterItsStart(t *testing.T) {
	h := newHost(t, &shelf{away: true}, newKeyFile(t))
	h.start()
	h.shelf.away = false
	h.mustRestart(true)
	h.start()
	h.mustRestart(false)
}

// TestFollow checks that a change by one host reaches the others if hosts may replace that
// key, and is undone if not.
func TestFollow(t *testing.T) {
	first, second := newPair(t)
	second.start()
	first.set(sshNote, "rotated")
	first.mustRestart(false)
	second.mustRestart(false)
	if second.note(sshNote) != "rotated" || second.read != "rotated" {
		t.Errorf("the key is %q, and %q was read", second.note(sshNote), second.read)
	}
	shared := first.note(tokenKeyName)
	first.set(tokenKeyName, second.note(sshNote))
	first.mustRestart(false)
	if first.note(tokenKeyName) != shared {
		t.Error("a host replaced the key of tokens")
	}
	identity := first.identity()
	first.setIdentity(authorities()[2])
	first.mustRestart(false)
	if first.identity() != identity {
		t.Error("a host replaced the identity authority")
	}
}

// TestNeedsRestart checks that a restart is needed if a key changes that a server reads only
// at its start.
func TestNeedsRestart(t *testing.T) {
	for _, name := range fixedSecrets {
		_, h := newPair(t)
		h.start()
		h.keys.inUse[name] = "former"
		h.mustRestart(true)
	}
}

// TestFollowReadsAgain checks that a failed read of the key of ssh host certificates is
// repeated.
func TestFollowReadsAgain(t *testing.T) {
	first, second := newPair(t)
	second.start()
	first.set(sshNote, "rotated")
	first.mustRestart(false)
	broken := errors.New("the database is away")
	second.unreadable, second.read = broken, ""
	if _, err := second.keys.exchange(t.Context()); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	second.unreadable, second.read = nil, ""
	for range 2 {
		second.mustRestart(false)
	}
	if second.read != "rotated" || second.refreshed != 3 {
		t.Errorf("read %q in the end, after %d reads", second.read, second.refreshed)
	}
}

// TestFollowToOtherKeys checks that a host asks for a restart if etcd lost all keys and
// another host was the first to share its own.
func TestFollowToOtherKeys(t *testing.T) {
	first, second := newPair(t)
	second.start()
	first.shelf.text, first.shelf.revision = "", 0
	third := newHost(t, first.shelf, first.key)
	third.start()
	second.mustRestart(true)
	second.shelf.away = true
	second.keys.followOnce(t.Context()) // the trouble stays
	second.mustTell(health.Warning, otherwise, "systemctl restart mdserver")
	second.shelf.away = false
	second.mustRestart(true)
	second.start()
	second.mustHaveKeysOf(third)
	second.mustRestart(false)
}

// TestKeysThatCannotBeShared checks that keys report no trouble of their own while etcd is
// away and the host has the shared ones, but do if the key file does not fit.
func TestKeysThatCannotBeShared(t *testing.T) {
	const copyIt = "; copy the file store.key from another host"
	for _, tt := range []struct {
		name    string
		used    bool
		harm    func(h *host)
		message string // prefix of the trouble's message
		copied  bool
	}{
		{"etcd away at the first start", false, func(h *host) { h.shelf.away = true }, ofItsOwn + errAway.Error(), false},
		{"etcd away later", true, func(h *host) { h.shelf.away = true }, "", false},
		{"another key at the first start", false, func(h *host) { h.key = newKeyFile(h.t) }, ofItsOwn, true},
		{"another key later", true, func(h *host) { h.key = newKeyFile(h.t) }, asKnown, true},
		{"a damaged note at the first start", false, func(h *host) { h.shelf.text = "damaged" }, ofItsOwn, true},
		{"a damaged note later", true, func(h *host) { h.shelf.text = "damaged" }, asKnown, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, h := newPair(t)
			if tt.used {
				h.start()
			}
			tt.harm(h)
			h.start()
			troubles := h.keys.Trouble()
			if tt.message == "" {
				h.mustTell("", "")
			} else if len(troubles) != 1 || troubles[0].State != health.Wrong || !strings.HasPrefix(troubles[0].Message, tt.message) || strings.HasSuffix(troubles[0].Message, copyIt) != tt.copied {
				t.Errorf("trouble %+v, want %q, copy the file: %v", troubles, tt.message, tt.copied)
			}
			if said := strings.Contains(h.log.String(), strings.TrimSuffix(tt.message, ": ")); tt.copied && !said {
				t.Errorf("the log lacks the trouble: %s", &h.log)
			}
			if same := h.keys.TokenKey.Text() == first.keys.TokenKey.Text(); same != tt.used {
				t.Errorf("the key of tokens is shared: %v", same)
			}
		})
	}
}

// TestFollowTells checks that each failure to read the shared keys is logged once and reported
// until it is over.
func TestFollowTells(t *testing.T) {
	_, h := newPair(t)
	h.start()
	h.log.Reset()
	sound := h.shelf.text
	for times := 1; times <= 2; times++ {
		h.shelf.text = "damaged"
		for range 2 {
			h.keys.followOnce(t.Context())
			if troubles := h.keys.Trouble(); len(troubles) != 1 || !strings.HasPrefix(troubles[0].Message, asKnown) {
				t.Errorf("trouble %+v", troubles)
			}
		}
		if said := strings.Count(h.log.String(), "level=ERROR"); said != times {
			t.Errorf("%d errors logged after %d failures: %s", said, times, &h.log)
		}
		h.shelf.text = sound
		h.mustRestart(false)
	}
}

// TestSharedIdentityThatIsDamaged checks that a damaged shared identity authority does not
// replace a good one.
func TestSharedIdentityThatIsDamaged(t *testing.T) {
	first, second := newPair(t)
	second.open()
	own := second.identity()
	first.shelf.text, first.shelf.revision = "", 0
	first.setIdentity("damaged")
	first.keys.followOnce(t.Context())
	second.start()
	if troubles := second.keys.Trouble(); len(troubles) != 1 || !strings.Contains(troubles[0].Message, "the identity authority that the hosts share: ") {
		t.Errorf("trouble %+v", troubles)
	}
	if second.identity() != own {
		t.Error("the file of the identity authority was replaced")
	}
}

// TestShareFails checks that Share fails without what a start needs.
func TestShareFails(t *testing.T) {
	broken := errors.New("the note is damaged")
	for _, tt := range []struct {
		name string
		harm func(h *host)
		want func(err error) bool
	}{
		{"no key file", func(h *host) { h.key += ".none" }, func(err error) bool {
			return errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(err.Error(), "store.key: ")
		}},
		{"a damaged note of the shared keys", func(h *host) { h.set(keysNote, "{") }, func(err error) bool { return err != nil }},
		{"a key of ssh host certificates that cannot be read", func(h *host) { h.unreadable = broken }, func(err error) bool { return errors.Is(err, broken) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, h := newPair(t)
			tt.harm(h)
			h.open()
			if err := h.shareKeys(t.Context()); !tt.want(err) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestShareOnlyIfConfigured checks that a host shares keys only if the configuration has etcd
// and a key file.
func TestShareOnlyIfConfigured(t *testing.T) {
	h := newHost(t, &shelf{}, newKeyFile(t))
	h.cfg.Store.Key = h.key
	h.open()
	if err := h.keys.Share(t.Context(), h.cfg, nil, func(context.Context) error { return errors.New("refreshed") }); err != nil || h.keys.Shared() {
		t.Errorf("shared %v without etcd: %v", h.keys.Shared(), err)
	}
	h.keys.Follow(t.Context()) // returns at once: there is nothing to follow
	h.mustTell("", "")
}

// TestSharingIsBounded checks that a start waits only briefly for an etcd that does not
// answer, and each later try a bit longer.
func TestSharingIsBounded(t *testing.T) {
	h := newHost(t, &shelf{mute: true}, newKeyFile(t))
	h.open()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := h.shareKeys(t.Context()); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("the start took %v (%v)", time.Since(began), err)
		}
		began = time.Now()
		if _, err := h.keys.exchange(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
			t.Errorf("a later try took %v (%v)", time.Since(began), err)
		}
	})
}

// TestFollowGoesOn checks that Follow shares keys every five seconds until the server ends.
func TestFollowGoesOn(t *testing.T) {
	h := newHost(t, &shelf{}, newKeyFile(t))
	h.start()
	h.shelf.reads = 0
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 18*time.Second)
		defer cancel()
		h.keys.Follow(ctx)
		if h.shelf.reads != 3 {
			t.Errorf("shared %d times in 18 seconds, want 3", h.shelf.reads)
		}
	})
}
