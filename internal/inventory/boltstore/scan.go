package boltstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"mdserver/internal/inventory/boltstore/pages"
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
	whole    bool // nothing is lost, although there are findings
}

func (c *content) found(bucket []byte, key, value []byte, format string, args ...any) {
	c.findings = append(c.findings, Finding{string(bucket), bytes.Clone(key), bytes.Clone(value), fmt.Sprintf(format, args...)})
}

// scan reads all that is sound in a database, and nothing by bbolt, which trusts
// its file: on a damaged one it may never come to an end.
//
// Errors: ErrNewer, ErrDamaged if it is another program's, or those of the
// operating system.
func scan(file *os.File) (*content, error) {
	c := &content{schema: schemaVersion, records: map[string][]record{}, expected: -1}
	data, release, err := mapped(file)
	if err != nil || len(data) == 0 {
		return c, err
	}
	defer release()
	// The file may be cut off meanwhile.
	return c, catch(func() error { return c.read(pages.New(data, os.Getpagesize())) })
}

// mapped maps a file into memory, for reading. An empty file is no bytes.
func mapped(file *os.File) (data []byte, release func(), err error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return nil, nil, err
	}
	data, err = syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	return data, func() { _ = syscall.Munmap(data) }, err
}

func (c *content) read(file *pages.File) error {
	named, first, err := bucketsOf(file)
	switch {
	case first == nil && err == nil:
		return nil // a new file
	case first == nil:
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	case err != nil:
		c.found(nil, nil, nil, "the list of buckets cannot be read completely: %v", err)
	}
	if c.schema, err = schemaOf(file, named, first); err != nil {
		return err
	}
	expected := c.readState(file, named[string(metaBucket)])
	for _, bucket := range buckets {
		seen := c.readBucket(file, named, bucket)
		want := expected.Tallies[string(bucket)]
		if want != nil && *want != seen && !c.damaged(bucket) {
			c.found(bucket, nil, nil, "records of the bucket %q are missing: it has %d, but %d were written", bucket, seen.Count, want.Count)
		}
	}
	if guests := expected.Tallies[string(instancesBucket)]; guests != nil {
		c.expected = guests.Count
	}
	return nil
}

// bucketsOf gives the buckets of a file by name, and the name of any of them.
func bucketsOf(file *pages.File) (named map[string]pages.Bucket, first []byte, err error) {
	root, err := file.Root()
	if err != nil {
		return nil, nil, err
	}
	named = map[string]pages.Bucket{}
	err = file.Walk(root, func(e pages.Element) {
		b, ok := e.Bucket()
		if _, known := named[string(e.Key)]; ok && !known {
			named[string(e.Key)] = b
			if first == nil {
				first = e.Key
			}
		}
	})
	return named, first, err
}

// schemaOf gives the version of the schema; first is the name of any bucket.
func schemaOf(file *pages.File, named map[string]pages.Bucket, first []byte) (int, error) {
	meta, ok := named[string(metaBucket)]
	if !ok {
		return 0, fmt.Errorf("%w (it has the bucket %q, but no schema)", ErrDamaged, first)
	}
	text := string(get(file, meta, schemaKey))
	version, err := strconv.Atoi(text)
	switch {
	case err != nil || version < 1:
		return 0, fmt.Errorf("%w (schema %q)", ErrDamaged, text)
	case version > schemaVersion:
		return 0, fmt.Errorf("%w: its schema is %d, this version supports schemas up to %d", ErrNewer, version, schemaVersion)
	}
	return version, nil
}

// get gives the value of a key, or nil if the bucket does not have it.
func get(file *pages.File, bucket pages.Bucket, key string) (value []byte) {
	_ = file.Walk(bucket, func(e pages.Element) { // what cannot be read is reported with the bucket's records
		if value == nil && string(e.Key) == key {
			value = e.Value
		}
	})
	return value
}

// readState reads what the store noted of itself. The first schema had no
// such note.
func (c *content) readState(file *pages.File, meta pages.Bucket) *state {
	none := &state{}
	if c.schema < sealedSchema {
		return none
	}
	s := &state{}
	text, err := unseal(metaBucket, []byte(stateKey), get(file, meta, stateKey))
	if err == nil {
		err = json.Unmarshal(text, s)
	}
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
func (c *content) readBucket(file *pages.File, named map[string]pages.Bucket, bucket []byte) (seen tally) {
	b, ok := named[string(bucket)]
	if !ok {
		c.found(bucket, nil, nil, "the bucket %q is missing", bucket)
		return seen
	}
	known := map[string]bool{}
	err := file.Walk(b, func(e pages.Element) {
		if known[string(e.Key)] || isOwn(bucket, e.Key) {
			return
		}
		known[string(e.Key)] = true
		seen.add(e.Key, e.Value)
		c.take(bucket, e)
	})
	if err != nil {
		c.found(bucket, nil, nil, "the bucket %q cannot be read completely: %v", bucket, err)
	}
	return seen
}

// isOwn tells whether a record of the bucket "meta" is the store's own.
func isOwn(bucket, key []byte) bool {
	return bytes.Equal(bucket, metaBucket) && (string(key) == schemaKey || string(key) == stateKey)
}

func (c *content) take(bucket []byte, e pages.Element) {
	key, value := e.Key, e.Value
	if _, nested := e.Bucket(); nested {
		c.found(bucket, nil, nil, "the record with the key %x is marked as a bucket", key)
	}
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
