package files

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Set is what dnsmasq's files should hold. The owner decides it. Others
// may change, remove or lock the files; Restore brings them back before each
// start of dnsmasq, and Put when Changed finds a change.
//
// Changed is called every few seconds, and compares the metadata of the files. inotify
// would tell sooner, but dnsmasq reads most of the files at a start or a reload
// only, before which they are compared anyway, and a watch ends with the
// directory that is removed.
type Set struct {
	place Place

	mu    sync.Mutex
	texts map[string]string // by path
	seen  map[string]stamp  // the files and directories when they were last as they should be
}

// New makes an empty Set, and touches no file.
func New(place Place) *Set {
	return &Set{place: place, texts: map[string]string{}, seen: map[string]stamp{}}
}

// stamp is a file's metadata. Its change time cannot be set back.
type stamp struct {
	dev, ino   uint64
	mode       uint32
	uid, gid   uint32
	size       int64
	changeTime syscall.Timespec
}

// stampOf is the metadata of a file, or of a directory without what changes
// with its entries. There is none of a file that is gone.
func stampOf(path string, lookUp func(string) (fs.FileInfo, error)) (stamp, bool) {
	info, err := lookUp(path)
	if err != nil {
		return stamp{}, false
	}
	st := info.Sys().(*syscall.Stat_t)
	s := stamp{dev: st.Dev, ino: st.Ino, mode: st.Mode, uid: st.Uid, gid: st.Gid}
	if !info.IsDir() {
		s.size, s.changeTime = st.Size, st.Ctim
	}
	return s, true
}

// fileStamp does not follow a symbolic link: mdserver creates none in the place of
// a file. An administrator may have put a directory elsewhere.
func fileStamp(path string) (stamp, bool) { return stampOf(path, os.Lstat) }
func dirStamp(path string) (stamp, bool)  { return stampOf(path, os.Stat) }

// MakeDirs makes the directories as they should be.
func (f *Set) MakeDirs() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.makeDirsLocked()
}

func (f *Set) makeDirsLocked() error {
	if err := f.place.MakeDirs(); err != nil {
		return err
	}
	for _, dir := range f.place.dirs() {
		f.seen[dir], _ = dirStamp(dir)
	}
	return nil
}

// Put sets what a file should hold, and writes it if it does not. It reports
// whether it did.
func (f *Set) Put(path, text string, durable bool) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.texts[path] = text
	return f.putLocked(path, text, durable)
}

func (f *Set) putLocked(path, text string, durable bool) (bool, error) {
	changed := !holds(path, text)
	if changed {
		delete(f.seen, path)
		if err := f.place.write(path, text, durable); err != nil {
			return true, err
		}
	}
	f.seen[path], _ = fileStamp(path)
	return changed, nil
}

// EmptyWatched leaves no file in the watched directories.
func (f *Set) EmptyWatched() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for path := range f.texts {
		if slices.Contains(f.place.watchedDirs(), filepath.Dir(path)) {
			delete(f.texts, path)
			delete(f.seen, path)
		}
	}
	return f.removeStrangers()
}

// strangers are files in the watched directories that should not be there.
func (f *Set) strangers() ([]string, error) {
	paths, err := f.place.WatchedFiles()
	return slices.DeleteFunc(paths, func(path string) bool {
		_, wanted := f.texts[path]
		return wanted
	}), err
}

func (f *Set) removeStrangers() error {
	paths, err := f.strangers()
	if err != nil {
		return err
	}
	return f.place.takeAway(paths)
}

// Restore brings directories and files back to what they should be, for a
// dnsmasq that is about to start. It returns the files that had to be written.
func (f *Set) Restore() (written []string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.makeDirsLocked(); err != nil {
		return nil, err
	}
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(f.texts)) {
		changed, err := f.putLocked(path, f.texts[path], true)
		if changed && err == nil {
			written = append(written, path)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, f.removeStrangers())...); err != nil {
		return written, fmt.Errorf("writing dnsmasq's files again: %w", err)
	}
	return written, nil
}

// Changed lists the files and directories that others have changed, removed or
// added since they were as they should be.
func (f *Set) Changed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, dir := range f.place.dirs() {
		if now, ok := dirStamp(dir); !ok || now != f.seen[dir] {
			list = append(list, dir)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(f.texts)) {
		if now, ok := fileStamp(path); !ok || now != f.seen[path] {
			list = append(list, path)
		}
	}
	added, err := f.strangers()
	if err != nil {
		return list // the directory is in it
	}
	return append(list, added...)
}

// Moved reports whether a watched directory is another one than before. dnsmasq
// watches the old one until it is restarted.
func (f *Set) Moved() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.place.watchedDirs(), func(dir string) bool {
		now, _ := dirStamp(dir)
		before := f.seen[dir]
		return now.dev != before.dev || now.ino != before.ino
	})
}

// mostNamed bounds the files that one line of the log names.
const mostNamed = 5

// LogChanged warns of files that other programs have changed, if there are any.
func LogChanged(log *slog.Logger, changed []string) {
	if len(changed) > 0 {
		log.Warn("dnsmasq's files were changed by another program, mdserver writes them again",
			"files", strings.Join(changed[:min(len(changed), mostNamed)], " "), "number", len(changed))
	}
}
