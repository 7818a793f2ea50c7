package timeline

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/pace"
)

const (
	writePeriod = time.Second
	// mostWritten is how many guests' boots one transaction has, so that it is short.
	mostWritten = 512
)

// Run writes to the archive what has changed, once a second at most, until ctx ends.
// It writes the rest then.
func (l *Log) Run(ctx context.Context) {
	if l.archive == nil {
		return
	}
	pace.Every(ctx, writePeriod, func() { l.write() })
	for l.write() {
	}
}

// write writes one batch, and reports whether there is more.
func (l *Log) write() bool {
	b := l.gather()
	if len(b.Boots) == 0 && len(b.Removed) == 0 {
		return false
	}
	if err := l.archive.Write(b.Batch); err != nil {
		if l.complaint.New(err) {
			l.log.Error("the record of boots cannot be written", "error", err)
		}
		l.again(b)
		return false
	}
	l.complaint.New(nil)
	l.contents.written(b.Contents)
	return b.more
}

// batch is a Batch and what it leaves.
type batch struct {
	Batch
	gathered map[uuid.UUID]gathered
	more     bool
}

// gathered is what of a guest is in a batch.
type gathered struct {
	former   []api.Boot
	revision uint64 // that was written before
}

// gather takes what the archive lacks, beginning with a different shard each time.
func (l *Log) gather() batch {
	b := batch{Batch: Batch{Contents: l.contents.waiting()}, gathered: map[uuid.UUID]gathered{}}
	l.turn++
	for i := range l.shards {
		s := &l.shards[(l.turn+i)%len(l.shards)]
		s.mu.Lock()
		b.Removed = slices.AppendSeq(b.Removed, maps.Keys(s.removed))
		clear(s.removed)
		for id, g := range s.guests {
			if g.revision == g.written {
				continue
			}
			if b.more = len(b.gathered) >= mostWritten; b.more {
				break
			}
			b.gathered[id] = gathered{g.former, g.written}
			for _, boot := range append(g.former, g.boot.copy()) {
				b.Boots = append(b.Boots, GuestBoot{id, boot})
			}
			g.former, g.written = nil, g.revision
		}
		s.mu.Unlock()
		if b.more {
			break
		}
	}
	return b
}

// again has the next batch take what could not be written. A guest that was forgotten
// since then stays so, and one that came back before has its new boots.
func (l *Log) again(b batch) {
	for id, before := range b.gathered {
		s := l.shard(id)
		s.mu.Lock()
		if g := s.guests[id]; g != nil && !s.removed[id] {
			g.former = lastBoots(append(before.former, g.former...))
			g.written = before.revision
		}
		s.mu.Unlock()
	}
	for _, id := range b.Removed {
		s := l.shard(id)
		s.mu.Lock()
		s.removed[id] = true
		s.mu.Unlock()
	}
}
