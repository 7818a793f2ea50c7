package etcdstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// format is the version of the records' JSON, its member "v". The member "by" is the
// ID of the host that wrote the record last. A newer mdserver may add members at any
// depth: an older one keeps them. Changes that an older one cannot keep get a new
// schema.
const format = 1

var (
	guestShape   = shapeOf(reflect.TypeFor[instance.Instance]())
	restingShape = shapeOf(reflect.TypeFor[instance.Resting]())
	spareShape   = shapeOf(reflect.TypeFor[instance.Spare]())
)

// encode makes the JSON of a record that a host writes, with what is unknown here.
func encode(record any, shape *shape, kept *unknown, by string) (string, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return "", err
	}
	if text, err = shape.add(text, kept); err != nil {
		return "", err
	}
	all, err := object(text)
	if err != nil {
		return "", err
	}
	if _, ok := all["v"]; !ok {
		all["v"] = json.RawMessage(fmt.Sprint(format))
	}
	if by != "" {
		all["by"] = json.RawMessage(strconv.Quote(by))
	}
	text, err = json.Marshal(all)
	return string(text), err
}

// Wrote implements storage.Shared. A guest that was released is known by its
// addresses in quarantine. Those that came last are from that release.
func (s *Store) Wrote(id uuid.UUID) bool {
	if guest, ok := s.mirror.guests[id]; ok {
		return guest.by == s.id
	}
	var last entry[instance.Resting]
	for _, resting := range s.mirror.resting {
		if resting.record.UUID == id && resting.revision >= last.revision {
			last = resting
		}
	}
	return last.by == s.id
}

// decode reads the JSON of a record.
func decode[T any](text []byte, shape *shape) (entry[T], error) {
	e := entry[T]{record: new(T)}
	if err := json.Unmarshal(text, e.record); err != nil {
		return e, err
	}
	known, by, err := shape.knowsRecord(text)
	if e.by = by; err != nil || known {
		return e, err
	}
	kept, err := shape.unknown(text)
	if err != nil || kept == nil {
		return e, err
	}
	if string(kept.members["v"]) == fmt.Sprint(format) {
		delete(kept.members, "v")
	}
	delete(kept.members, "by")
	e.unknown = kept.orNil()
	return e, nil
}

// object reads the members of an object. null is one without members.
func object(text []byte) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	if isNull(text) {
		return all, nil
	}
	return all, json.Unmarshal(text, &all)
}

func isNull(text []byte) bool { return bytes.Equal(bytes.TrimSpace(text), []byte("null")) }
