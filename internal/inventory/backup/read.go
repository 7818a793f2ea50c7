package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"os"

	"github.com/google/uuid"

	"mdserver/internal/counted"
	"mdserver/internal/instance"
)

// Read reads a backup and checks all of it. Errors: ErrForeign, ErrNewer and
// ErrDamaged, with the line, and those of the reader.
func Read(r io.Reader) (*Backup, error) {
	d := &decoder{
		in: bufio.NewReader(r), sum: sha256.New(), backup: &Backup{Notes: map[string]string{}},
		guests: map[uuid.UUID]bool{}, resting: map[netip.Addr]bool{},
	}
	if err := d.header(); err != nil {
		return nil, err
	}
	for {
		done, err := d.line()
		if err != nil {
			return nil, err
		}
		if done {
			return d.backup, d.end()
		}
	}
}

// ReadFile reads a backup from a file. Its errors are those of Read, and those of
// the operating system.
func ReadFile(path string) (*Backup, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return Read(file)
}

type decoder struct {
	in      *bufio.Reader
	sum     hash.Hash // of the lines before the present one
	number  int       // of the present line
	backup  *Backup
	guests  map[uuid.UUID]bool
	resting map[netip.Addr]bool
}

// next reads a line with its end, without adding it to the checksum.
func (d *decoder) next() ([]byte, error) {
	d.number++
	text, err := d.in.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return nil, d.damaged("it ends before its checksum")
	}
	return text, err
}

func (d *decoder) damaged(format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %s", ErrDamaged, d.number, fmt.Sprintf(format, args...))
}

// longestHeader keeps a foreign file from being read as one line.
const longestHeader = 4096

func (d *decoder) header() error {
	start, err := d.in.Peek(longestHeader)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	text, _, found := bytes.Cut(start, []byte("\n"))
	h := &d.backup.Header
	if !found || json.Unmarshal(text, h) != nil || h.Format != formatName {
		return ErrForeign
	}
	switch {
	case h.Version > formatVersion:
		return fmt.Errorf("%w: its format is %d, this version supports formats up to %d", ErrNewer, h.Version, formatVersion)
	case h.Version < 1:
		return fmt.Errorf("%w: line 1: version %d", ErrDamaged, h.Version)
	}
	line, err := d.next()
	d.sum.Write(line)
	return err
}

// line reads one line; done tells that it was the checksum, and is right.
func (d *decoder) line() (done bool, err error) {
	text, err := d.next()
	if err != nil {
		return false, err
	}
	var l line
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&l); err != nil {
		return false, d.damaged("%v", err)
	}
	if l.SHA256 != "" {
		if l.SHA256 != hex.EncodeToString(d.sum.Sum(nil)) {
			return false, d.damaged("the checksum is wrong")
		}
		return true, nil
	}
	d.sum.Write(text)
	return false, d.take(l)
}

func (d *decoder) take(l line) error {
	b := d.backup
	switch {
	case l.Guest != nil:
		return d.takeGuest(*l.Guest)
	case l.Resting != nil:
		if !l.Resting.Addr.IsValid() || d.resting[l.Resting.Addr] {
			return d.damaged("the address in quarantine %q is invalid or a duplicate", l.Resting.Addr)
		}
		d.resting[l.Resting.Addr] = true
		b.Table.Resting = append(b.Table.Resting, *l.Resting)
	case l.Note != nil:
		if _, twice := b.Notes[l.Note.Key]; twice || l.Note.Key == "" {
			return d.damaged("the note %q is a duplicate or has no key", l.Note.Key)
		}
		b.Notes[l.Note.Key] = l.Note.Value
	case l.Identity != nil:
		if err := json.Unmarshal(l.Identity, &b.Identity); err != nil {
			return d.damaged("identity: %v", err)
		}
	default:
		return d.damaged("it is empty")
	}
	return nil
}

func (d *decoder) takeGuest(guest instance.Instance) error {
	if guest.UUID == uuid.Nil || d.guests[guest.UUID] {
		return d.damaged("the guest %q has no UUID or is a duplicate", guest.Name)
	}
	d.guests[guest.UUID] = true
	d.backup.Table.Instances = append(d.backup.Table.Instances, guest)
	return nil
}

// end compares the counts and checks that nothing follows.
func (d *decoder) end() error {
	b, h := d.backup, d.backup.Header
	if len(b.Table.Instances) != h.Guests || len(b.Table.Resting) != h.Resting || len(b.Notes) != h.Notes {
		return d.damaged("it has %s, %s and %s; its first line announces %d, %d and %d",
			counted.Guests(len(b.Table.Instances)), counted.Resting(len(b.Table.Resting)), counted.Of(len(b.Notes), "note", "notes"), h.Guests, h.Resting, h.Notes)
	}
	if _, err := d.in.ReadByte(); !errors.Is(err, io.EOF) {
		return d.damaged("it continues after its checksum")
	}
	return nil
}
