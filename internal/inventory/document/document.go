// Package document writes the inventory as one JSON document and reads it again,
// without a loss. Unlike a backup it has none of the server's keys, and people may
// edit it.
//
//	{
//	  "format": "mdserver-inventory", "version": 1,
//	  "created": …, "host": …, "mdserver": …,
//	  "instances": [ an instance.Instance, … ],
//	  "resting":   [ an instance.Resting, … ]
//	}
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

const (
	formatName    = "mdserver-inventory"
	formatVersion = 1
)

var (
	// ErrForeign: it is no such document.
	ErrForeign = errors.New("it is not an export of `mdserver export --format json`")
	// ErrNewer: a newer mdserver wrote it, in a format that this one does not know.
	ErrNewer = errors.New("it was written by a newer mdserver")
	// ErrInvalid: a record or field is wrong or unknown.
	ErrInvalid = errors.New("invalid inventory")
)

// Header says what a document is and where it is from.
type Header struct {
	Format   string    `json:"format"`
	Version  int       `json:"version"` // of the format
	Created  time.Time `json:"created"`
	Host     string    `json:"host"`
	Mdserver string    `json:"mdserver"` // the version that wrote it
}

// NewHeader makes the header of a document that is written now.
func NewHeader(host, version string) Header {
	return Header{Format: formatName, Version: formatVersion, Created: time.Now().UTC().Truncate(time.Second), Host: host, Mdserver: version}
}

// Write writes a table as a document.
func Write(w io.Writer, h Header, table instance.Table) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Header
		Instances []instance.Instance `json:"instances"`
		Resting   []instance.Resting  `json:"resting"`
	}{h, append([]instance.Instance{}, table.Instances...), append([]instance.Resting{}, table.Resting...)})
}

// Read reads a document. A field that is not known is an error: it could mean
// something that would be lost. Errors: ErrForeign, ErrNewer and ErrInvalid, with
// the record.
func Read(data []byte) (Header, instance.Table, error) {
	var d struct {
		Header
		Instances []json.RawMessage `json:"instances"`
		Resting   []json.RawMessage `json:"resting"`
	}
	if err := json.Unmarshal(data, &d.Header); err != nil || d.Format != formatName {
		return Header{}, instance.Table{}, ErrForeign
	}
	if d.Version > formatVersion {
		return d.Header, instance.Table{}, fmt.Errorf("%w: its format is %d, this version supports formats up to %d", ErrNewer, d.Version, formatVersion)
	}
	if err := strict(data, &d); err != nil {
		return d.Header, instance.Table{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var table instance.Table
	var err error
	if table.Instances, err = records(d.Instances, "instances", checkGuest()); err == nil {
		table.Resting, err = records(d.Resting, "resting", checkResting())
	}
	return d.Header, table, err
}

func strict(data []byte, value any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(value); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("it continues after its end")
	}
	return nil
}

// records decodes a list, and names the record that is wrong.
func records[T any](texts []json.RawMessage, list string, check func(T) error) ([]T, error) {
	var all []T
	for i, text := range texts {
		var record T
		err := strict(text, &record)
		if err == nil {
			err = check(record)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s[%d]%s: %w", ErrInvalid, list, i, nameOf(text), err)
		}
		all = append(all, record)
	}
	return all, nil
}

// nameOf is the name of a guest that may be invalid, or "".
func nameOf(text []byte) string {
	var guest struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(text, &guest) // the error is reported already
	if guest.Name == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", guest.Name)
}

func checkGuest() func(instance.Instance) error {
	seen := map[uuid.UUID]bool{}
	return func(guest instance.Instance) error {
		if guest.UUID == uuid.Nil || seen[guest.UUID] {
			return errors.New("its uuid is missing or a duplicate")
		}
		seen[guest.UUID] = true
		return guest.Metadata.Validate()
	}
}

func checkResting() func(instance.Resting) error {
	seen := map[netip.Addr]bool{}
	return func(r instance.Resting) error {
		if !r.Addr.IsValid() || seen[r.Addr] {
			return errors.New("its addr is missing or a duplicate")
		}
		seen[r.Addr] = true
		return nil
	}
}
