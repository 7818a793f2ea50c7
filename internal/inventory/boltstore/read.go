package boltstore

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"

	"mdserver/internal/instance"
)

// Read gives all that a database holds without changing it, for a look at it
// while no server runs. Errors: those of Open, and fs.ErrNotExist.
func Read(ctx context.Context, path string) (instance.Table, error) {
	if _, err := os.Stat(path); err != nil {
		return instance.Table{}, err
	}
	s := &Store{path: path}
	opts := &bbolt.Options{ReadOnly: true, Timeout: lockTimeout, OpenFile: func(name string, _ int, _ fs.FileMode) (*os.File, error) {
		var err error
		s.file, err = os.Open(name)
		return s.file, err
	}}
	err := catch(func() (err error) {
		s.db, err = bbolt.Open(path, fileMode, opts)
		return err
	})
	if err != nil {
		if s.file != nil {
			_ = letGo(s.file)
		}
		return instance.Table{}, explain(path, err)
	}
	table, err := s.Load(ctx)
	return table, errors.Join(err, s.Close())
}
