package boltstore

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// Note implements inventory.Reader.
func (s *Store) Note(ctx context.Context, key string) (string, error) {
	notes, err := s.notes(ctx, func(k []byte) bool { return string(k) == key })
	return notes[key], err
}

// Notes implements inventory.Reader.
func (s *Store) Notes(ctx context.Context) (map[string]string, error) {
	return s.notes(ctx, func([]byte) bool { return true })
}

// notes reads those notes whose keys are wanted. Damage to others does no harm.
func (s *Store) notes(ctx context.Context, wanted func(key []byte) bool) (map[string]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	notes := map[string]string{}
	err := s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(metaBucket).ForEach(func(key, sealed []byte) error {
			if isOwn(metaBucket, key) || !wanted(key) {
				return nil
			}
			text, err := unseal(metaBucket, key, sealed)
			if err != nil {
				return fmt.Errorf("%w (note %q: %w)", ErrDamaged, key, err)
			}
			notes[string(key)] = string(text)
			return nil
		})
	})
	return notes, err
}

// SetNote implements inventory.Store.
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
		if text == "" {
			return w.remove(metaBucket, []byte(key))
		}
		return w.put(metaBucket, []byte(key), []byte(text))
	})
}
