package boltstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"go.etcd.io/bbolt"

	"mdserver/internal/instance"
)

// Read gives all that is sound in a database, and what is wrong with it,
// without changing it; no server may run. Errors: those of Open, and
// fs.ErrNotExist.
func Read(ctx context.Context, path string) (instance.Table, []Finding, error) {
	c, err := inspect(path)
	if err != nil {
		return instance.Table{}, nil, err
	}
	table, err := c.table(ctx)
	return table, c.findings, err
}

// Notes reads the sound notes whose keys begin with a prefix, by the rest of
// their key, of a database that no server has open. It changes nothing. A
// database that is not there has no notes. Errors: those of Open.
func Notes(path, prefix string) (map[string]string, error) {
	notes := map[string]string{}
	c, err := inspect(path)
	if errors.Is(err, fs.ErrNotExist) {
		return notes, nil
	}
	if err != nil {
		return nil, err
	}
	for _, r := range c.records[string(metaBucket)] {
		if rest, found := strings.CutPrefix(string(r.key), prefix); found {
			notes[rest] = string(r.text)
		}
	}
	return notes, nil
}

func inspect(path string) (*content, error) {
	known, err := readMark(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && known == nil:
		return nil, err
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Size() == 0:
		return nil, explain(path, ErrMissing)
	case err != nil:
		return nil, err
	}
	c, err := scanFile(path)
	if err != nil {
		return nil, explain(path, err)
	}
	if known != nil && c.sequence < known.Sequence {
		c.found(metaBucket, nil, nil, "the last %d changes are missing", known.Sequence-c.sequence)
	}
	return c, nil
}

func scanFile(path string) (*content, error) {
	var (
		db   *bbolt.DB
		file *os.File
		c    *content
	)
	opts := &bbolt.Options{ReadOnly: true, Timeout: lockTimeout, OpenFile: func(name string, _ int, _ fs.FileMode) (*os.File, error) {
		var err error
		file, err = os.Open(name)
		return file, err
	}}
	err := catch(func() (err error) {
		db, err = bbolt.Open(path, fileMode, opts)
		return err
	})
	if err == nil {
		c, err = scan(db)
		_ = catch(db.Close)
	}
	if file != nil {
		err = errors.Join(err, letGo(file))
	}
	return c, err
}

// table decodes the records.
func (c *content) table(ctx context.Context) (table instance.Table, err error) {
	if table.Instances, err = decode[instance.Instance](ctx, c.records[string(instancesBucket)]); err != nil {
		return table, err
	}
	table.Resting, err = decode[instance.Resting](ctx, c.records[string(restingBucket)])
	return table, err
}

func decode[T any](ctx context.Context, records []record) ([]T, error) {
	var all []T
	for _, r := range records {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var value T
		if err := json.Unmarshal(r.text, &value); err != nil {
			return nil, fmt.Errorf("key %x: %w", r.key, err)
		}
		all = append(all, value)
	}
	return all, nil
}
