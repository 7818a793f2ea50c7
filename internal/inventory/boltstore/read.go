package boltstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// Reader implements storage.Reader for a database that no server has open. It
// reads the file once, when it is opened.
type Reader struct{ content *content }

// OpenReader reads all that is sound in a database, without changing it. What is
// not sound is in Findings. Errors: those of Open, and fs.ErrNotExist if there is
// no database. A database without a guest that can be read is no error if anything
// else can be read.
func OpenReader(path string) (*Reader, error) {
	c, err := inspect(path)
	if err != nil {
		return nil, err
	}
	return &Reader{c}, nil
}

// Findings are what is wrong with the database.
func (r *Reader) Findings() []Finding { return r.content.findings }

// Whole reports whether all records are as they were last written, even if the file
// is damaged. Open then serves all guests.
func (r *Reader) Whole() bool { return r.content.whole || len(r.content.findings) == 0 }

// Load implements storage.Reader.
func (r *Reader) Load(ctx context.Context) (instance.Table, error) { return r.content.table(ctx) }

// Note implements storage.Reader.
func (r *Reader) Note(ctx context.Context, key string) (string, error) {
	notes, err := r.Notes(ctx)
	return notes[key], err
}

// Notes implements storage.Reader.
func (r *Reader) Notes(ctx context.Context) (map[string]string, error) {
	return notesOf(r.content), ctx.Err()
}

// Close implements storage.Reader.
func (r *Reader) Close() error { return nil }

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
	c, err := readLocked(path, func(file *os.File) (*content, error) {
		c, err := usable(file, known)
		if c != nil && errors.Is(err, ErrDamaged) {
			return c, nil // no guest can be read, but something else
		}
		return c, err
	})
	if err != nil {
		return nil, explain(path, err)
	}
	return c, nil
}

// readLocked reads a file that no server has open.
func readLocked(path string, read func(*os.File) (*content, error)) (*content, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := lock(file, syscall.LOCK_SH); err != nil {
		return nil, err
	}
	return read(file)
}

// soundContent scans a file in which nothing may be damaged.
func soundContent(file *os.File) (*content, error) {
	c, err := scan(file)
	if err != nil {
		return nil, err
	}
	return c, c.damage()
}

// damage gives the first thing that is wrong, or nil.
func (c *content) damage() error {
	if len(c.findings) == 0 {
		return nil
	}
	return fmt.Errorf("%w (%v)", ErrDamaged, c.findings[0])
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

var _ storage.Reader = (*Reader)(nil)
