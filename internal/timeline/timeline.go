// Package timeline keeps the record of each boot of each guest: libvirt's events, DHCP
// messages, requests and the guest's own reports. Its callers pass all of that in; it
// asks no other part. The present boot of each guest is in memory, or what verdicts need
// of it. Package archive keeps it and earlier boots on the disk.
package timeline

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/logging/once"
	"mdserver/internal/visible"
)

// Archive keeps boots over a restart of the server. It is safe for concurrent use.
type Archive interface {
	// EachLast calls a function with the last boot of each guest. Its error is that of
	// the boots which it left out.
	EachLast(do func(uuid.UUID, api.Boot)) error
	// Boot returns the boot of a guest that has a number.
	Boot(guest uuid.UUID, number int) (api.Boot, error)
	// Boots returns the boots of a guest, the oldest first.
	Boots(guest uuid.UUID) ([]api.Boot, error)
	// Content returns bytes that were kept, nil if there are none of that hash.
	Content(hash string) ([]byte, error)
	// Write stores boots and contents, and removes all that is known of some guests.
	Write(Batch) error
}

// Batch is what an Archive writes at a time.
type Batch struct {
	Boots    []GuestBoot
	Contents map[string][]byte // by hash
	Removed  []uuid.UUID
}

// GuestBoot is a boot and whose it is.
type GuestBoot struct {
	Guest uuid.UUID
	Boot  api.Boot
}

// Log is the record of all guests. Make it with New. Methods that add to it return at
// once.
type Log struct {
	// Requests and DHCP are what was heard last, over all boots.
	Requests RequestLog
	DHCP     DHCPLog
	// Measured, unless nil, is called at the end of each phase of a boot. It must not
	// wait. It is set before the Log is used.
	Measured func(api.BootPhase, time.Duration)

	archive  Archive
	log      *slog.Logger
	now      func() time.Time
	shards   [shards]bootShard
	news     news
	contents contents

	turn      int // of gather
	complaint once.Complaint
}

type bootShard struct {
	mu      sync.Mutex
	guests  map[uuid.UUID]*guest
	removed map[uuid.UUID]bool // that the archive still has
}

// guest is what is in memory of one guest.
type guest struct {
	boot     *boot      // the present one
	short    bool       // the archive has all entries of it, and boot has those that verdicts need
	former   []api.Boot // before it, that are not yet in the archive
	news     uint64     // the revision of the last change of the boot or of the verdict on it
	judged   bool       // that was a change of the verdict
	revision uint64     // of the last change of the boot
	written  uint64     // the revision that the archive has
}

// New makes a record that continues the one of an archive. A nil archive keeps
// nothing beyond the memory.
func New(archive Archive, log *slog.Logger) *Log {
	l := &Log{archive: archive, log: log, now: time.Now}
	for i := range l.shards {
		l.shards[i] = bootShard{guests: map[uuid.UUID]*guest{}, removed: map[uuid.UUID]bool{}}
	}
	l.news.startAt(1) // clients that know no revision say 0, and are answered at once
	if archive == nil {
		return l
	}
	err := archive.EachLast(func(id uuid.UUID, b api.Boot) {
		b.Entries = essentials(b.Entries)
		g := &guest{boot: &boot{Boot: b}, short: true, news: b.Revision, revision: b.Revision, written: b.Revision}
		l.shard(id).guests[id] = g
		l.news.startAt(g.revision)
	})
	if err != nil {
		log.Error("earlier boots of guests are not known", "error", err)
	}
	return l
}

// Start notes that a guest was started. It begins a boot, unless another source has
// reported the same start.
func (l *Log) Start(id uuid.UUID, at time.Time, source api.Source) {
	e := api.BootEntry{At: at, Kind: api.EntryStarted, Source: source}
	l.change(id, func(g *guest) {
		if g.boot.isSameStart(e) {
			g.boot.startedBy(e)
			return
		}
		g.begin(at, e)
	})
}

// Reboot notes that a guest was reset. It begins a boot if the present one has shown
// a sign of life: firmware may reset a machine before it boots.
func (l *Log) Reboot(id uuid.UUID, at time.Time) {
	e := api.BootEntry{At: at, Kind: api.EntryRebooted, Source: api.FromLibvirt}
	l.change(id, func(g *guest) {
		if g.boot.isOpen() && g.boot.Last.IsZero() {
			g.boot.add(e)
			return
		}
		g.begin(at, e)
	})
}

// Stop notes that a guest stopped. kind is api.EntryStopped or api.EntryCrashed, and
// detail says how, in one line. Without an open boot it changes nothing.
func (l *Log) Stop(id uuid.UUID, at time.Time, kind api.EntryKind, detail string) {
	l.change(id, func(g *guest) {
		if g.boot.isOpen() && !at.Before(g.boot.Began) {
			g.boot.add(api.BootEntry{At: at, Kind: kind, Source: api.FromLibvirt, Detail: detail})
			g.boot.Ended = &at
		}
	})
}

// Note adds an entry to the present boot. An entry without a time is of now. After
// a stop it begins a boot.
func (l *Log) Note(id uuid.UUID, e api.BootEntry) {
	if e.At.IsZero() {
		e.At = l.now()
	}
	l.change(id, func(g *guest) {
		if g.boot.isOver(e) {
			g.begin(e.At)
		}
		before := g.boot.Reached
		g.boot.sign(e)
		if l.Measured != nil && g.boot.Reached != before {
			g.boot.measure(before, l.Measured)
		}
	})
}

// Request notes a request of a guest.
func (l *Log) Request(id uuid.UUID, r Request) {
	name := l.Requests.Note(id, r)
	e := api.BootEntry{At: r.At, Kind: api.EntryRequest, Source: api.FromMetadata, Name: name, Status: r.Status}
	if l.repeated(id, e) { // as most are
		return
	}
	e.Detail = visible.Limit(r.Method, longestVerb) + " " + visible.Limit(r.Path, longest)
	l.Note(id, e)
}

// Heard notes a DHCP message of a guest.
func (l *Log) Heard(id uuid.UUID, client DHCPClient, heard DHCP) {
	l.DHCP.Note(client, heard)
	e := api.BootEntry{At: heard.At, Kind: api.EntryDHCP, Source: api.FromDnsmasq, Name: heard.Message, Detail: "on network " + client.Network}
	if !l.repeated(id, e) {
		l.Note(id, e)
	}
}

// repeated counts an entry that the present boot has already, and reports whether
// it has. It publishes nothing.
func (l *Log) repeated(id uuid.UUID, e api.BootEntry) bool {
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.guests[id]
	return g != nil && !g.judged && !g.short && !g.boot.isOver(e) && g.boot.count(e)
}

// Judged notes that time alone has changed the verdict on a guest's boot. It is news for
// those who wait, and changes nothing in the record. The next sign of life is news, too.
func (l *Log) Judged(id uuid.UUID) {
	l.each([]uuid.UUID{id}, func(_ uuid.UUID, g *guest) { g.news, g.judged = l.news.next(id), true })
	l.news.publish()
}

// Served notes what a guest was given as user-data or vendor-data.
func (l *Log) Served(id uuid.UUID, d Document) {
	if d.Hash == "" {
		d.Hash = fmt.Sprintf("%x", sha256.Sum256(d.Body))
	}
	l.contents.add(d.Hash, d.Body)
	l.change(id, func(g *guest) {
		if !g.boot.isOpen() {
			g.begin(l.now())
		}
		g.boot.serve(d)
	})
}

// RenderFailed notes that a document for a guest could not be made, and the line of
// the template that is to blame if it is known.
func (l *Log) RenderFailed(id uuid.UUID, document, failure string, line *api.TemplateLine) {
	l.Note(id, api.BootEntry{Kind: api.EntryRender, Source: api.FromServer, Name: document, Result: api.ResultFail,
		Detail: visible.Limit(failure, longestDetail), Template: line})
}

// Guests lists the guests that have a boot on record.
func (l *Log) Guests() (all []uuid.UUID) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		all = slices.AppendSeq(all, maps.Keys(s.guests))
		s.mu.Unlock()
	}
	return all
}

// Forget removes all that is known of a guest.
func (l *Log) Forget(id uuid.UUID) {
	l.Requests.Forget(id)
	s := l.shard(id)
	s.mu.Lock()
	delete(s.guests, id)
	if l.archive != nil {
		s.removed[id] = true
	}
	s.mu.Unlock()
	l.news.publish()
}

// Present returns the last boot of a guest, ended or not, and whether there is one. It
// has all entries that a verdict depends on; Whole has all.
func (l *Log) Present(id uuid.UUID) (api.Boot, bool) { return l.present(id, false) }

// Whole is Present with all entries.
func (l *Log) Whole(id uuid.UUID) (api.Boot, bool) { return l.present(id, true) }

func (l *Log) present(id uuid.UUID, whole bool) (api.Boot, bool) {
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.guests[id]
	if g == nil || g.boot == nil {
		return api.Boot{}, false
	}
	if whole {
		return l.whole(id, g), true
	}
	return g.boot.copy(), true
}

// EachPresent calls a function with the last boot of each of these guests, or of all if
// none are named, as Present returns it. The function must neither keep the boot nor use
// the record.
func (l *Log) EachPresent(of []uuid.UUID, do func(uuid.UUID, api.Boot)) {
	l.each(of, func(id uuid.UUID, g *guest) {
		if g.boot != nil {
			do(id, g.boot.Boot)
		}
	})
}

// each calls a function with each of these guests, or with all if none are named, under
// the lock of the guest.
func (l *Log) each(of []uuid.UUID, do func(uuid.UUID, *guest)) {
	for _, id := range of {
		s := l.shard(id)
		s.mu.Lock()
		if g := s.guests[id]; g != nil {
			do(id, g)
		}
		s.mu.Unlock()
	}
	if len(of) > 0 {
		return
	}
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for id, g := range s.guests {
			do(id, g)
		}
		s.mu.Unlock()
	}
}

// Boots returns the boots of a guest, the oldest first. Its error is the archive's;
// those that are in memory are returned all the same.
func (l *Log) Boots(id uuid.UUID) ([]api.Boot, error) {
	recent := l.inMemory(id)
	if len(recent) == 0 || l.archive == nil { // the archive may still have boots that will be removed
		return recent, nil
	}
	all, err := l.archive.Boots(id)
	older := slices.DeleteFunc(all, func(b api.Boot) bool { return b.Number >= recent[0].Number })
	return slices.Concat(older, recent), err
}

func (l *Log) inMemory(id uuid.UUID) []api.Boot {
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.guests[id]
	if g == nil || g.boot == nil {
		return nil
	}
	return append(slices.Clone(g.former), l.whole(id, g))
}

// Content returns what was served and has a hash; nil if it is not kept.
func (l *Log) Content(hash string) ([]byte, error) {
	if body := l.contents.get(hash); body != nil || l.archive == nil {
		return body, nil
	}
	return l.archive.Content(hash)
}

// change has a function change what is known of a guest, and publishes the change
// if there is one.
func (l *Log) change(id uuid.UUID, do func(*guest)) {
	s := l.shard(id)
	s.mu.Lock()
	g := s.guests[id]
	if g == nil {
		g = &guest{}
		s.guests[id] = g
	}
	l.complete(id, g)
	do(g)
	if g.boot != nil && g.judged {
		g.boot.changed = true
	}
	changed := g.boot != nil && g.boot.stamp(func() uint64 { return l.news.next(id) })
	if changed {
		g.revision, g.news, g.judged = g.boot.Revision, g.boot.Revision, false
	}
	s.mu.Unlock()
	if changed {
		l.news.publish()
	}
}

func (l *Log) shard(id uuid.UUID) *bootShard { return &l.shards[id[len(id)-1]%shards] }
