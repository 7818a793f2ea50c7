package boltstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"mdserver/internal/instance"
)

// Replace puts a new database in the place of the one at path, which may be
// damaged or missing. It returns the name of a copy of the former file, or "".
// Until the new file is complete, checked and on the disk, the former one stays
// as it is. Errors: ErrInUse if a server has the database open, or those of the
// operating system.
func Replace(path string, table instance.Table, notes map[string]string) (former string, err error) {
	c, err := contentOf(table, notes)
	if err != nil {
		return "", err
	}
	known, err := readMark(path)
	if err != nil {
		return "", err
	}
	c.sequence = 1
	if known != nil {
		c.sequence = known.Sequence + 1 // else the next start would miss changes
	}
	return replace(path, nil, c)
}

// replace puts content in the place of the file at path. seen is that file as it
// was when the content was read from it, or nil.
func replace(path string, seen fs.FileInfo, c *content) (former string, err error) {
	release, err := hold(path)
	if err != nil {
		return "", fmt.Errorf("replace the inventory %s: %w", path, err)
	}
	defer release()
	if seen != nil && !unchanged(path, seen) {
		return "", fmt.Errorf("replace the inventory %s: %w", path, ErrInUse)
	}
	fresh := path + ".restored"
	defer os.Remove(fresh) // does nothing after it has taken its place
	if err := writeNew(fresh, c); err != nil {
		return "", fmt.Errorf("write the inventory %s: %w", fresh, err)
	}
	if former, err = KeepFormer(path); err != nil {
		return "", fmt.Errorf("keep the previous inventory: %w", err)
	}
	if err := errors.Join(GiveToService(path, fresh), os.Rename(fresh, path)); err != nil {
		return former, err
	}
	renewMark(path, c.sequence)
	return former, syncDir(filepath.Dir(path))
}

// unchanged tells that no server has written to a file since it was read.
func unchanged(path string, seen fs.FileInfo) bool {
	now, err := os.Stat(path)
	return err == nil && os.SameFile(seen, now) && now.ModTime().Equal(seen.ModTime()) && now.Size() == seen.Size()
}

// contentOf makes what fill writes. The keys come in order.
func contentOf(table instance.Table, notes map[string]string) (*content, error) {
	c := &content{records: map[string][]record{}}
	var failed error
	put := func(bucket, key []byte, value any) {
		text, err := json.Marshal(value)
		failed = errors.Join(failed, err)
		c.records[string(bucket)] = append(c.records[string(bucket)], record{key, text})
	}
	for _, guest := range table.Instances {
		put(instancesBucket, guest.UUID[:], guest)
	}
	for _, resting := range table.Resting {
		put(restingBucket, resting.Addr.AsSlice(), resting)
	}
	for key, value := range notes {
		if isOwn(metaBucket, []byte(key)) {
			return nil, fmt.Errorf("the note %q is reserved for the store", key)
		}
		c.records[string(metaBucket)] = append(c.records[string(metaBucket)], record{[]byte(key), []byte(value)})
	}
	for _, records := range c.records {
		slices.SortFunc(records, func(a, b record) int { return strings.Compare(string(a.key), string(b.key)) })
	}
	return c, failed
}

// hold locks the database as bbolt does, so that no server opens it.
func hold(path string) (release func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := tryLock(file, syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}

// writeNew writes a database as a new file and reads it again.
func writeNew(path string, c *content) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s, err := newFile(path)
	if err != nil {
		return err
	}
	err = catch(func() error { return s.fill(c) })
	s.drop()
	if err != nil {
		return err
	}
	written, err := readLocked(path, scan)
	if err != nil {
		return err
	}
	return written.damage()
}

// keptFormer is how many copies of former files stay beside each file.
const keptFormer = 3

// KeepFormer copies a file before it is replaced, and returns the name of the
// copy, or "" if there is no file. It removes the oldest copies of former
// replacements, so that three are left.
func KeepFormer(path string) (string, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	former := path + ".replaced-" + time.Now().UTC().Format(replacedTime)
	if err := copyFile(path, former); err != nil {
		return former, err
	}
	return former, removeOldest(path, former)
}

// replacedTime ends the name of a copy of a former file. Names sort by time.
const replacedTime = "20060102T150405.000000Z"

// removeOldest removes old copies. The latest one stays even if the clock was
// set back and its name says that it is the oldest.
func removeOldest(path, latest string) error {
	copies, err := filepath.Glob(globEscape(path) + ".replaced-*")
	if err != nil {
		return err
	}
	copies = slices.DeleteFunc(copies, func(name string) bool {
		_, err := time.Parse(replacedTime, strings.TrimPrefix(name, path+".replaced-"))
		return err != nil || name == latest
	})
	slices.Sort(copies)
	for _, old := range copies[:max(0, len(copies)-keptFormer+1)] {
		err = errors.Join(err, os.Remove(old))
	}
	return err
}

// GiveToService gives a new file to the owner of the database, or of its
// directory if there is no database.
func GiveToService(database, name string) error {
	if _, err := os.Stat(database); errors.Is(err, fs.ErrNotExist) {
		database = filepath.Dir(database)
	}
	return likeDatabase(database, name)
}
