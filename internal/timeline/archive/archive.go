// Package archive keeps the boots of guests in one file. Records are appended to it,
// each with a checksum. Damage costs only the records that it hits, and a server that
// is killed leaves at worst an incomplete last record. When the file has become too
// long, a new one takes its place, without records that others have replaced. An index
// of the file is in memory.
package archive

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/timeline"
)

const (
	mostBoots = 20 // of one guest
	// mostBytes bounds what is copied when a new file takes the place of a long one.
	mostBytes = 128 << 20
	// slack is by how much the file may grow beyond twice of what was copied.
	slack = 4 << 20
)

// Archive implements timeline.Archive. Make it with Open.
type Archive struct {
	path string
	log  *slog.Logger
	most int64 // bytes that are kept

	writing sync.Mutex // held by who writes; such a one reads without mu

	mu       sync.RWMutex // held while the index changes, and never while the disk is written
	file     *os.File
	size     int64 // of the file
	live     int64 // bytes of it that the index names
	next     int64 // the size that makes it too long
	guests   map[uuid.UUID][]entry
	contents map[contentKey]place
}

// place is where a record is in the file.
type place struct {
	offset int64
	length int32
}

// entry is a boot in the file.
type entry struct {
	place
	number int32
	began  int64 // nanoseconds since 1970
}

// Open opens the archive at path, or creates it. Records that are damaged are
// skipped. A file that is no archive is set aside, as path with the ending
// .damaged, and another one is begun.
func Open(path string, log *slog.Logger) (*Archive, error) {
	a := &Archive{path: path, log: log, most: mostBytes}
	err := a.open()
	if errors.Is(err, errForeign) {
		aside := path + ".damaged"
		if err := os.Rename(path, aside); err != nil {
			return nil, fmt.Errorf("boots: %w", err)
		}
		log.Error("the record of boots cannot be read, and is begun again", "path", path, "aside", aside, "error", err)
		err = a.open()
	}
	if err != nil {
		return nil, fmt.Errorf("boots: %w", err)
	}
	return a, nil
}

func (a *Archive) open() error {
	file, err := os.OpenFile(a.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	a.live, a.guests, a.contents = 0, map[uuid.UUID][]entry{}, map[contentKey]place{}
	size, lost, err := a.readAll(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	a.file, a.size = file, size
	if a.next = 2*a.live + slack; lost > 0 {
		a.log.Warn("the record of boots was damaged; the sound parts are used", "path", a.path, "lost_bytes", lost)
		a.next = 0
	}
	a.tidy()
	return nil
}

// readAll makes the index of a file, and writes the heading of one that is empty. It
// returns how long the file is, and how many bytes of it are damaged.
func (a *Archive) readAll(file *os.File) (size, lost int64, err error) {
	head := make([]byte, len(heading))
	switch n, err := io.ReadFull(file, head); {
	case errors.Is(err, io.EOF): // it is empty
		_, err = file.WriteString(heading)
		return int64(len(heading)), 0, err
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return 0, 0, err
	case string(head[:n]) != heading:
		return 0, 0, errForeign
	}
	return scan(file, a.index)
}

// Close closes the file.
func (a *Archive) Close() error {
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Close()
}

// index adds a record to the index.
func (a *Archive) index(at place, r record) {
	switch r := r.(type) {
	case contentRecord:
		if _, known := a.contents[r.key]; !known {
			a.contents[r.key] = at
			a.live += int64(at.length)
		}
	case removal:
		a.drop(a.guests[r.guest])
		delete(a.guests, r.guest)
	case bootRecord:
		a.indexBoot(at, r)
	}
}

// indexBoot adds a boot. It replaces that of the same number.
func (a *Archive) indexBoot(at place, r bootRecord) {
	all := a.guests[r.guest]
	i, known := find(all, r.number)
	if known {
		a.live -= int64(all[i].length)
	} else {
		all = slices.Insert(all, i, entry{})
	}
	all[i] = entry{at, r.number, r.began}
	a.live += int64(at.length)
	old := max(0, len(all)-mostBoots)
	a.drop(all[:old])
	a.guests[r.guest] = all[old:]
}

// drop counts what is no longer in the index.
func (a *Archive) drop(old []entry) {
	for _, e := range old {
		a.live -= int64(e.length)
	}
}

// EachLast implements timeline.Archive.
func (a *Archive) EachLast(do func(uuid.UUID, api.Boot)) (failed error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for guest, all := range a.guests {
		boot, err := a.readBoot(all[len(all)-1].place)
		if err != nil {
			failed = err
			continue
		}
		do(guest, boot)
	}
	return failed
}

// Boot implements timeline.Archive.
func (a *Archive) Boot(guest uuid.UUID, number int) (api.Boot, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := a.guests[guest]
	i, known := find(all, int32(number))
	if !known {
		return api.Boot{}, fmt.Errorf("boots: there is no boot %d of %s", number, guest)
	}
	return a.readBoot(all[i].place)
}

// find finds the boot with a number, or where it belongs.
func find(all []entry, number int32) (int, bool) {
	return slices.BinarySearchFunc(all, number, func(e entry, number int32) int { return int(e.number) - int(number) })
}

// Boots implements timeline.Archive.
func (a *Archive) Boots(guest uuid.UUID) ([]api.Boot, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var all []api.Boot
	var failed error
	for _, e := range a.guests[guest] {
		boot, err := a.readBoot(e.place)
		if err != nil {
			failed = err
			continue
		}
		all = append(all, boot)
	}
	return all, failed
}

// Content implements timeline.Archive.
func (a *Archive) Content(hash string) ([]byte, error) {
	key, ok := keyOf(hash)
	if !ok {
		return nil, fmt.Errorf("boots: %q is no hash", hash)
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	at, known := a.contents[key]
	if !known {
		return nil, nil
	}
	r, err := a.read(at)
	if err != nil {
		return nil, err
	}
	content, ok := r.(contentRecord)
	if !ok {
		return nil, fmt.Errorf("boots: %w", errDamaged)
	}
	return inflate(content.packed)
}

func (a *Archive) readBoot(at place) (api.Boot, error) {
	r, err := a.read(at)
	if err != nil {
		return api.Boot{}, err
	}
	boot, ok := r.(bootRecord)
	if !ok {
		return api.Boot{}, fmt.Errorf("boots: %w", errDamaged)
	}
	return boot.unpack()
}

func (a *Archive) read(at place) (record, error) {
	frame := make([]byte, at.length)
	if _, err := a.file.ReadAt(frame, at.offset); err != nil {
		return nil, fmt.Errorf("boots: %w", err)
	}
	r, _, err := parse(frame)
	if err != nil {
		return nil, fmt.Errorf("boots: %w", err)
	}
	return r, nil
}

// Write implements timeline.Archive.
func (a *Archive) Write(b timeline.Batch) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	var out frames
	for _, guest := range b.Removed {
		if len(a.guests[guest]) > 0 {
			out.add(removal{guest})
		}
	}
	for hash, body := range b.Contents {
		out.addContent(hash, body, a.contents)
	}
	for _, g := range b.Boots {
		r, err := pack(g.Guest, g.Boot)
		if err != nil {
			return fmt.Errorf("boots: %w", err)
		}
		out.add(r)
	}
	if err := a.append(out); err != nil {
		return fmt.Errorf("boots: %w", err)
	}
	a.tidy()
	return nil
}

// tidy replaces the file by a shorter one if it has become too long.
func (a *Archive) tidy() {
	if a.size < a.next {
		return
	}
	err := a.rewrite()
	if a.next = 2*a.live + slack; err != nil {
		a.log.Error("the record of boots cannot be shortened", "path", a.path, "error", err)
		a.next = a.size + slack
	}
}

// append writes records to the end of the file. After a failure it removes what it
// has written.
func (a *Archive) append(out frames) error {
	_, err := a.file.Write(out.bytes)
	if err == nil {
		err = a.file.Sync()
	}
	if err != nil {
		return errors.Join(err, a.file.Truncate(a.size))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range out.list {
		a.index(place{a.size + f.offset, f.length}, f.record)
	}
	a.size += int64(len(out.bytes))
	return nil
}

// keyOf shortens a hash: half of SHA-256 is enough to tell documents apart.
func keyOf(hash string) (key contentKey, ok bool) {
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) < len(key) {
		return key, false
	}
	return contentKey(raw[:len(key)]), true
}
