package archive

import (
	"bufio"
	"cmp"
	"os"
	"slices"

	"github.com/google/renameio/v2"
	"github.com/google/uuid"
)

// rewrite replaces the file by one with all that the index has. If that is too much,
// the oldest boots and documents are left out. The last boot of each guest stays.
func (a *Archive) rewrite() error {
	if a.live > a.most {
		a.dropOldest()
	}
	next := &Archive{path: a.path, log: a.log, most: a.most, guests: map[uuid.UUID][]entry{}, contents: map[contentKey]place{}}
	pending, err := renameio.NewPendingFile(a.path, renameio.WithStaticPermissions(0o600))
	if err != nil {
		return err
	}
	defer func() { _ = pending.Cleanup() }() // nothing is left after the replacement
	out := bufio.NewWriter(pending)          // which keeps the first error
	_, _ = out.WriteString(heading)
	next.size = int64(len(heading))
	for _, at := range a.inOrder() {
		frame := make([]byte, at.length)
		if _, err := a.file.ReadAt(frame, at.offset); err != nil {
			return err
		}
		r, _, err := parse(frame)
		if err != nil {
			continue // damaged since it was read
		}
		_, _ = out.Write(frame)
		next.index(place{next.size, at.length}, r)
		next.size += int64(at.length)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if err := pending.CloseAtomicallyReplace(); err != nil {
		return err
	}
	file, err := os.OpenFile(a.path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.file.Close() // all of it has been read
	a.file, a.size, a.live, a.guests, a.contents = file, next.size, next.live, next.guests, next.contents
	return nil
}

// dropOldest removes the oldest boots from the index until three quarters of what
// may be kept are left.
func (a *Archive) dropOldest() {
	a.mu.Lock()
	defer a.mu.Unlock()
	type victim struct {
		guest uuid.UUID
		entry entry
	}
	var all []victim
	for guest, list := range a.guests {
		for _, e := range list[:len(list)-1] {
			all = append(all, victim{guest, e})
		}
	}
	slices.SortFunc(all, func(x, y victim) int { return cmp.Compare(x.entry.began, y.entry.began) })
	for _, v := range all {
		if a.live <= a.most/4*3 {
			return
		}
		a.live -= int64(v.entry.length)
		a.guests[v.guest] = slices.DeleteFunc(a.guests[v.guest], func(e entry) bool { return e.number == v.entry.number })
	}
}

// inOrder lists what the new file will have, in the order of the old one. Documents that no boot
// was given are left out.
func (a *Archive) inOrder() []place {
	used := map[contentKey]bool{}
	var all []place
	for _, list := range a.guests {
		for _, e := range list {
			all = append(all, e.place)
			if r, err := a.read(e.place); err == nil {
				boot, _ := r.(bootRecord)
				used[boot.userdata], used[boot.vendordata] = true, true
			}
		}
	}
	all = append(all, a.newestContents(used, a.most-total(all))...)
	slices.SortFunc(all, func(x, y place) int { return cmp.Compare(x.offset, y.offset) })
	return all
}

// newestContents lists the newest of the documents that are used, as far as there is
// room.
func (a *Archive) newestContents(used map[contentKey]bool, room int64) (list []place) {
	for key, at := range a.contents {
		if used[key] {
			list = append(list, at)
		}
	}
	slices.SortFunc(list, func(x, y place) int { return cmp.Compare(y.offset, x.offset) })
	for i, at := range list {
		if room -= int64(at.length); room < 0 {
			return list[:i]
		}
	}
	return list
}

func total(all []place) (sum int64) {
	for _, at := range all {
		sum += int64(at.length)
	}
	return sum
}
