package boltstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// Finding is one thing that is wrong with a database.
type Finding struct {
	Bucket string `json:"bucket,omitempty"`
	Key    []byte `json:"key,omitempty"`   // as it is in the file
	Value  []byte `json:"value,omitempty"` // as it is in the file
	Reason string `json:"reason"`
}

func (f Finding) String() string {
	if f.Key == nil {
		return f.Reason
	}
	return fmt.Sprintf("bucket %q, key %x: %s", f.Bucket, f.Key, f.Reason)
}

type record struct{ key, text []byte } // text is the JSON

// content is what can be read of a database.
type content struct {
	schema   int
	sequence uint64
	state    *state              // nil if the file has none that is sound
	records  map[string][]record // by bucket, sound ones only
	expected int                 // guests that there should be, -1 if unknown
	findings []Finding
}

func (c *content) found(bucket []byte, key, value []byte, format string, args ...any) {
	c.findings = append(c.findings, Finding{string(bucket), bytes.Clone(key), bytes.Clone(value), fmt.Sprintf(format, args...)})
}

// scan reads all that is sound in a database. A bucket with a damaged page is
// read from both ends up to that page. Errors: ErrNewer, ErrDamaged if it is
// another program's.
func scan(db *bbolt.DB) (*content, error) {
	c := &content{records: map[string][]record{}, expected: -1}
	empty := false
	err := view(db, func(tx *bbolt.Tx) (err error) {
		first, _ := tx.Cursor().First()
		empty = first == nil
		c.schema, err = schemaOf(tx, first)
		return err
	})
	if err != nil || empty {
		return c, err
	}
	expected := c.readState(db)
	for _, bucket := range buckets {
		seen := c.readBucket(db, bucket)
		want := expected.Tallies[string(bucket)]
		if want != nil && *want != seen && !c.damaged(bucket) {
			c.found(bucket, nil, nil, "records of the bucket %q are missing: it has %d, but %d were written", bucket, seen.Count, want.Count)
		}
	}
	if guests := expected.Tallies[string(instancesBucket)]; guests != nil {
		c.expected = guests.Count
	}
	return c, nil
}

// view reads a database that may be damaged.
func view(db *bbolt.DB, fn func(*bbolt.Tx) error) error {
	return catch(func() error {
		tx, err := db.Begin(false)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		return fn(tx)
	})
}

// schemaOf gives the version of the schema; first is the name of any bucket.
func schemaOf(tx *bbolt.Tx, first []byte) (int, error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		if first == nil {
			return schemaVersion, nil
		}
		return 0, fmt.Errorf("%w (it has the bucket %q, but no schema)", ErrDamaged, first)
	}
	text := string(meta.Get([]byte(schemaKey)))
	version, err := strconv.Atoi(text)
	switch {
	case err != nil || version < 1:
		return 0, fmt.Errorf("%w (schema %q)", ErrDamaged, text)
	case version > schemaVersion:
		return 0, fmt.Errorf("%w: its schema is %d, this version supports schemas up to %d", ErrNewer, version, schemaVersion)
	}
	return version, nil
}

// readState reads what the store noted of itself. The first schema had no
// such note.
func (c *content) readState(db *bbolt.DB) *state {
	none := &state{}
	if c.schema < sealedSchema {
		return none
	}
	s := &state{}
	err := view(db, func(tx *bbolt.Tx) error {
		text, err := unseal(metaBucket, []byte(stateKey), tx.Bucket(metaBucket).Get([]byte(stateKey)))
		if err != nil {
			return err
		}
		return json.Unmarshal(text, s)
	})
	if err == nil && !s.complete() {
		err = errors.New("it is incomplete")
	}
	if err != nil {
		c.found(metaBucket, []byte(stateKey), nil, "the store's note of its changes: %v", err)
		return none
	}
	c.sequence, c.state = s.Sequence, s
	return s
}

func (c *content) damaged(bucket []byte) bool {
	for _, f := range c.findings {
		if f.Bucket == string(bucket) {
			return true
		}
	}
	return false
}

// readBucket takes the sound records of a bucket and sums up all values.
func (c *content) readBucket(db *bbolt.DB, bucket []byte) (seen tally) {
	known := map[string]bool{}
	take := func(key, value []byte) {
		if known[string(key)] || isOwn(bucket, key) {
			return
		}
		known[string(key)] = true
		seen.add(key, value)
		c.take(bucket, key, value)
	}
	err := walk(db, bucket, (*bbolt.Cursor).First, (*bbolt.Cursor).Next, take)
	if err != nil {
		c.found(bucket, nil, nil, "the bucket %q cannot be read completely: %v", bucket, err)
		_ = walk(db, bucket, (*bbolt.Cursor).Last, (*bbolt.Cursor).Prev, take) // fails at the same place
	}
	return seen
}

// isOwn tells whether a record of the bucket "meta" is the store's own.
func isOwn(bucket, key []byte) bool {
	return bytes.Equal(bucket, metaBucket) && (string(key) == schemaKey || string(key) == stateKey)
}

func walk(db *bbolt.DB, bucket []byte, start, step func(*bbolt.Cursor) ([]byte, []byte), take func(key, value []byte)) error {
	return view(db, func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		if b == nil {
			return errors.New("it is missing")
		}
		// A damaged page can lead back to one that was read: more steps than
		// fit into the file are a circle.
		limit := tx.Size()
		cursor := b.Cursor()
		for key, value := start(cursor); key != nil; key, value = step(cursor) {
			take(key, value)
			if limit--; limit < 0 {
				return errors.New("its pages form a circle")
			}
		}
		return nil
	})
}

func (c *content) take(bucket, key, value []byte) {
	text := value
	if c.schema >= sealedSchema {
		var err error
		if text, err = unseal(bucket, key, value); err != nil {
			c.found(bucket, key, value, "%v", err)
			return
		}
	}
	if err := verify(bucket, key, text); err != nil {
		c.found(bucket, key, value, "%v", err)
		return
	}
	c.records[string(bucket)] = append(c.records[string(bucket)], record{bytes.Clone(key), bytes.Clone(text)})
}
