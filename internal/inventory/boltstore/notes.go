package boltstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// Note implements storage.Reader.
func (s *Store) Note(ctx context.Context, key string) (string, error) {
	notes, err := s.Notes(ctx)
	return notes[key], err
}

// Notes implements storage.Reader. Notes are few and kept in memory, so that
// damage to the file does not reach them.
func (s *Store) Notes(ctx context.Context) (map[string]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.kept), ctx.Err()
}

func notesOf(c *content) map[string]string {
	notes := map[string]string{}
	for _, note := range c.records[string(metaBucket)] {
		notes[string(note.key)] = string(note.text)
	}
	return notes
}

// SetNote implements storage.Store.
func (s *Store) SetNote(ctx context.Context, key, text string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case key == "":
		return s.wrap("write", errors.New("a note needs a key"))
	case isOwn(metaBucket, []byte(key)):
		return s.wrap("write", fmt.Errorf("the note %q is the store's own", key))
	}
	return s.write(func(w *writer) error {
		w.notes = maps.Clone(s.kept)
		if text == "" {
			delete(w.notes, key)
			return w.remove(metaBucket, []byte(key))
		}
		w.notes[key] = text
		return w.put(metaBucket, []byte(key), []byte(text))
	})
}
