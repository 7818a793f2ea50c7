package etcdstore

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"mdserver/internal/instance"
)

// unknown is what an object has that this mdserver does not know. nil is nothing.
type unknown struct {
	members map[string]json.RawMessage
	// inside is what its known members have inside, by name; of a list, what its
	// elements have, by what identifies them.
	inside map[string]*unknown
}

func (u *unknown) orNil() *unknown {
	if len(u.members)+len(u.inside) == 0 {
		return nil
	}
	return u
}

// shape is what this mdserver knows of the JSON of a type: an object, or a list of
// objects. nil is a value that it knows whole.
type shape struct {
	members map[string]*shape // of an object
	element *shape            // of a list
	// identity are the members of an element that stay the same when it changes. Among
	// elements that are the same in these, the order counts.
	identity []string
}

// identities are those of the types that records have lists of.
var identities = map[reflect.Type][]string{
	reflect.TypeFor[instance.Interface]():  {"mac"},
	reflect.TypeFor[instance.Attachment](): {"network", "mac"},
	reflect.TypeFor[instance.Disk]():       {"target"},
}

// shapeOf gives the shape of a type. A list of objects needs an identity.
func shapeOf(t reflect.Type) *shape {
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()), reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return nil
	case t.Kind() == reflect.Slice && shapeOf(t.Elem()) != nil:
		identity := identities[t.Elem()]
		if identity == nil {
			panic(fmt.Sprintf("nothing identifies a %s", t.Elem()))
		}
		return &shape{element: shapeOf(t.Elem()), identity: identity}
	case t.Kind() != reflect.Struct:
		return nil
	}
	s := &shape{members: map[string]*shape{}}
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			s.members[name] = shapeOf(field.Type)
		}
	}
	return s
}

// knowsRecord reports whether a record has nothing unknown, and who wrote it. The first is
// so for most records, and found in one pass.
func (s *shape) knowsRecord(text []byte) (known bool, by string, err error) {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return false, "", err
	}
	if all, ok := value.(map[string]any); ok {
		if all["v"] == float64(format) {
			delete(all, "v")
		}
		by, _ = all["by"].(string)
		delete(all, "by")
	}
	return s.knows(value), by, nil
}

func (s *shape) knows(value any) bool {
	if s == nil {
		return true
	}
	switch value := value.(type) {
	case []any:
		return !slices.ContainsFunc(value, func(element any) bool { return !s.element.knows(element) })
	case map[string]any:
		for name, inside := range value {
			if shape, known := s.members[name]; !known || !shape.knows(inside) {
				return false
			}
		}
	}
	return true
}

// unknown finds what a text of this shape has that is not known.
func (s *shape) unknown(text json.RawMessage) (*unknown, error) {
	switch {
	case s == nil || isNull(text):
		return nil, nil
	case s.element != nil:
		return s.unknownElements(text)
	}
	all, err := object(text)
	if err != nil {
		return nil, err
	}
	found := &unknown{members: map[string]json.RawMessage{}, inside: map[string]*unknown{}}
	for name, value := range all {
		shape, known := s.members[name]
		if !known {
			found.members[name] = value
			continue
		}
		if err := found.look(name, shape, value); err != nil {
			return nil, err
		}
	}
	return found.orNil(), nil
}

func (s *shape) unknownElements(text json.RawMessage) (*unknown, error) {
	found := &unknown{inside: map[string]*unknown{}}
	err := s.each(text, func(id string, element json.RawMessage) error {
		return found.look(id, s.element, element)
	})
	return found.orNil(), err
}

// look notes what a member or an element has inside that is not known.
func (u *unknown) look(name string, shape *shape, text json.RawMessage) error {
	inside, err := shape.unknown(text)
	if inside != nil {
		u.inside[name] = inside
	}
	return err
}

// add adds what is unknown to a text of this shape. What belongs to an element of a
// list that is gone is gone, too.
func (s *shape) add(text json.RawMessage, kept *unknown) (json.RawMessage, error) {
	switch {
	case kept == nil:
		return text, nil
	case s.element != nil:
		return s.addToElements(text, kept)
	}
	all, err := object(text)
	if err != nil {
		return nil, err
	}
	for name, value := range kept.members {
		if _, ok := all[name]; !ok {
			all[name] = value
		}
	}
	for name, inside := range kept.inside {
		value, there := all[name]
		if !there && s.members[name].element != nil {
			continue
		}
		if !there { // an object without a known value
			value = json.RawMessage("null")
		}
		if all[name], err = s.members[name].add(value, inside); err != nil {
			return nil, err
		}
	}
	return json.Marshal(all)
}

func (s *shape) addToElements(text json.RawMessage, kept *unknown) (json.RawMessage, error) {
	var elements []json.RawMessage
	err := s.each(text, func(id string, element json.RawMessage) (err error) {
		elements = append(elements, nil)
		elements[len(elements)-1], err = s.element.add(element, kept.inside[id])
		return err
	})
	if err != nil || elements == nil {
		return text, err
	}
	return json.Marshal(elements)
}

// each calls a function with all elements of a list and what identifies them.
func (s *shape) each(text json.RawMessage, do func(id string, element json.RawMessage) error) error {
	var elements []json.RawMessage
	if err := json.Unmarshal(text, &elements); err != nil {
		return err
	}
	count := map[string]int{}
	for i := range elements {
		all, err := object(elements[i])
		if err != nil {
			return err
		}
		id := ""
		for _, name := range s.identity {
			id += string(all[name]) + " "
		}
		count[id]++
		if err := do(fmt.Sprint(id, count[id]), elements[i]); err != nil {
			return err
		}
	}
	return nil
}
