package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"mdserver/internal/counted"
	"mdserver/internal/inventory/boltstore/pages"
)

// Certainty says how far a salvaged record can be trusted.
type Certainty string

const (
	// Sure: the store's own note of its last change, with its sums over all
	// records, says that this is the record as it was last written.
	Sure Certainty = "sure"
	// Likely: it is whole, and no other version of it that may be newer is in
	// the file. The store's note does not match, or changes are missing.
	Likely Certainty = "likely"
	// Uncertain: the file has several versions, or the record may have been
	// deleted. It is not used.
	Uncertain Certainty = "uncertain"
)

// Salvaged is what could be read of a database, page by page.
type Salvaged struct {
	Sequence uint64 // of the last change that is known of
	Missing  uint64 // changes after it, as far as the mark tells
	Records  []SalvagedRecord
	Problems []string // what could not be read or does not fit
	path     string
	seen     fs.FileInfo
	last     bool     // Sequence is the last change
	content  *content // what is sure or likely
}

// SalvagedRecord is one version of one record.
type SalvagedRecord struct {
	Bucket    string
	Key       []byte
	Text      []byte // JSON, or that of a note
	Certainty Certainty
}

// Count is the number of records in a bucket with a certainty.
func (s *Salvaged) Count(bucket string, certainty Certainty) int {
	n := 0
	for _, r := range s.Records {
		if r.Bucket == bucket && r.Certainty == certainty {
			n++
		}
	}
	return n
}

// Sound reports whether all records are sure: nothing is lost.
func (s *Salvaged) Sound() bool {
	return len(s.Problems) == 0 && !slices.ContainsFunc(s.Records, func(r SalvagedRecord) bool { return r.Certainty != Sure })
}

// The names of the buckets, for Salvaged.Count.
const (
	Instances = "instances"
	Resting   = "resting"
	Meta      = "meta"
)

// Salvage reads a damaged database that no server has open, page by page, and
// changes nothing. Unlike Read it needs none of bbolt's own pages: it looks for
// all records with a right checksum, and compares them with the sums that the
// store wrote with its last change. So an older version of a record, which the
// file may hold as well, is never taken for the present one without a word.
//
// Errors: ErrInUse, ErrMissing, ErrNewer, ErrDamaged if there is no record at
// all, or those of the operating system.
func Salvage(path string) (*Salvaged, error) {
	release, err := hold(path)
	if err != nil {
		return nil, explain(path, err)
	}
	seen, data, err := readWhole(path)
	release()
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(data) == 0:
		return nil, explain(path, ErrMissing)
	case err != nil:
		return nil, err
	}
	known, err := readMark(path)
	if err != nil {
		return nil, err
	}
	w := gather(pages.New(data, os.Getpagesize()))
	var s *Salvaged
	switch {
	case w.schema > schemaVersion:
		return nil, explain(path, ErrNewer)
	case w.empty():
		if s, err = salvageReadable(path); err != nil {
			return nil, err
		}
	case known == nil:
		s = w.salvage(0)
	default:
		s = w.salvage(known.Sequence)
	}
	s.path, s.seen = path, seen
	return s, nil
}

// salvageWhole salvages a file that has lost nothing. marked is the last change
// that the mark knows of. The error is ErrDamaged if anything is uncertain.
func salvageWhole(file *os.File, marked uint64) (*content, error) {
	data, release, err := mapped(file)
	if err != nil || len(data) == 0 {
		return nil, errors.Join(ErrDamaged, err)
	}
	defer release()
	var s *Salvaged
	err = catch(func() error {
		w := gather(pages.New(data, os.Getpagesize()))
		if w.schema > schemaVersion || w.empty() {
			return ErrDamaged
		}
		s = w.salvage(marked)
		return nil
	})
	if err == nil && !s.Sound() {
		err = ErrDamaged
	}
	if err != nil {
		return nil, err
	}
	return s.content, nil
}

func readWhole(path string) (fs.FileInfo, []byte, error) {
	seen, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	data, err := os.ReadFile(path)
	return seen, data, err
}

// Replace puts what is sure or likely in the place of the damaged database, as
// the function Replace does, and before that writes what is uncertain or lost to a
// file beside it, see Asides. It returns the names of the copy of the database
// and of that file, which is "" if all is sure. Errors: those of the
// function Replace.
func (s *Salvaged) Replace() (former, aside string, err error) {
	a := Aside{Database: s.path, Time: time.Now()}
	for _, r := range s.Records {
		if r.Certainty == Uncertain {
			a.Findings = append(a.Findings, Finding{r.Bucket, r.Key, seal([]byte(r.Bucket), r.Key, r.Text), uncertainReason})
		}
	}
	for _, p := range s.Problems {
		a.Findings = append(a.Findings, Finding{Reason: p})
	}
	if !s.Sound() {
		aside = asideName(s.path, a.Time) + ".json"
		if err := writeAside(aside, a); err != nil {
			return "", "", err
		}
	}
	former, err = replace(s.path, s.seen, s.content)
	if err != nil && former == "" && aside != "" { // the database is as it was
		err = errors.Join(err, os.Remove(aside))
		aside = ""
	}
	return former, aside, err
}

const uncertainReason = "the database was salvaged before; this may not be the record's last version"

// Compact writes a sound database that no server has open as a new file, without
// the room that earlier changes have left, and returns the name of a copy of the
// former one. Errors: ErrDamaged, and those of Replace.
func Compact(path string) (former string, err error) {
	seen, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	c, err := inspect(path)
	if err != nil {
		return "", err
	}
	if err := c.damage(); err != nil {
		return "", explain(path, err)
	}
	return replace(path, seen, c)
}

// salvageReadable is for databases of the first schema, whose records have no
// checksums: only what bbolt can read is known to be a record.
func salvageReadable(path string) (*Salvaged, error) {
	c, err := readLocked(path, scan)
	if err != nil {
		return nil, explain(path, err)
	}
	s := &Salvaged{content: c}
	certainty := Sure
	for _, f := range c.findings {
		s.Problems = append(s.Problems, f.String())
		certainty = Likely
	}
	for _, bucket := range buckets {
		for _, r := range c.records[string(bucket)] {
			s.Records = append(s.Records, SalvagedRecord{string(bucket), r.key, r.text, certainty})
		}
	}
	return s, nil
}

// salvage decides what each record is. marked is the last change that the mark
// knows of.
func (w *wreck) salvage(marked uint64) *Salvaged {
	s := &Salvaged{Sequence: marked, content: &content{schema: schemaVersion, records: map[string][]record{}}}
	switch {
	case marked == 0:
		s.problem("the database's mark is missing, so the last change is not known")
	case w.state == nil:
		s.problem("the note of the last change is missing, so the last versions are not known")
	case w.rivals:
		s.problem("two changes have the number %d; one of them failed, but it is not known which one", w.state.Sequence)
	case w.state.Sequence < marked:
		s.Missing = marked - w.state.Sequence
		s.problem("%s", missing(s.Missing))
	case w.state.Sequence > marked:
		s.problem("the last %d changes are not in the mark; they may not have been answered", w.state.Sequence-marked)
	}
	if w.state != nil {
		s.Sequence = w.state.Sequence
	}
	s.last = len(s.Problems) == 0
	s.content.sequence = max(s.Sequence, marked)
	for _, bucket := range buckets {
		chosen, complete := w.choose(string(bucket))
		if !complete && w.state != nil {
			seen, want := chosen.tally(), w.state.Tallies[string(bucket)]
			s.problem("the bucket %q has %s, but %d were written last", bucket, counted.Of(seen.Count, "record", "records"), want.Count)
		}
		w.judge(s, string(bucket), chosen, complete)
	}
	return s
}

func (s *Salvaged) problem(format string, args ...any) {
	s.Problems = append(s.Problems, fmt.Sprintf(format, args...))
}

// judge files the records of a bucket. complete: those chosen are the ones of
// the last change that is known of.
func (w *wreck) judge(s *Salvaged, bucket string, chosen set, complete bool) {
	keys := map[string]bool{}
	for key := range chosen {
		keys[key] = true
	}
	if !complete || !s.last {
		for key := range w.versions[bucket] {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		v, there := chosen[key]
		versions := w.versions[bucket][key]
		switch {
		case there && complete && s.last:
			s.use(bucket, v, Sure)
		case there && !slices.ContainsFunc(versions, func(other version) bool { return mayFollow(bucket, other, v) }):
			s.use(bucket, v, Likely)
		default:
			for _, v := range versions {
				s.Records = append(s.Records, v.record(bucket, Uncertain))
			}
		}
	}
}

func (s *Salvaged) use(bucket string, v version, certainty Certainty) {
	r := v.record(bucket, certainty)
	s.Records = append(s.Records, r)
	s.content.records[bucket] = append(s.content.records[bucket], record{r.Key, r.Text})
}

func (v version) record(bucket string, certainty Certainty) SalvagedRecord {
	return SalvagedRecord{bucket, bytes.Clone(v.key), bytes.Clone(v.value[sealLength:]), certainty}
}
