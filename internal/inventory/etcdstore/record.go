package etcdstore

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"mdserver/internal/instance"
)

// format is the version of the records' JSON, its member "v". A newer mdserver may
// add members: an older one keeps those of the outermost object. Changes that an
// older one cannot keep get a new schema.
const format = 1

type members = map[string]json.RawMessage

// encode makes the JSON of a record, with the members that are unknown here.
func encode(record any, unknown members) (string, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return "", err
	}
	all := members{}
	if err := json.Unmarshal(text, &all); err != nil {
		return "", err
	}
	for name, value := range unknown {
		if _, ok := all[name]; !ok {
			all[name] = value
		}
	}
	if _, ok := all["v"]; !ok {
		all["v"] = json.RawMessage(fmt.Sprint(format))
	}
	text, err = json.Marshal(all)
	return string(text), err
}

// decode reads the JSON of a record, and returns the members that it does not know.
func decode[T any](text []byte, known map[string]bool) (record T, unknown members, err error) {
	if err := json.Unmarshal(text, &record); err != nil {
		return record, nil, err
	}
	var all members
	if err := json.Unmarshal(text, &all); err != nil {
		return record, nil, err
	}
	for name, value := range all {
		if !known[name] && (name != "v" || string(value) != fmt.Sprint(format)) {
			if unknown == nil {
				unknown = members{}
			}
			unknown[name] = value
		}
	}
	return record, unknown, nil
}

var (
	guestMembers   = membersOf(reflect.TypeFor[instance.Instance]())
	restingMembers = membersOf(reflect.TypeFor[instance.Resting]())
)

// membersOf are the members that a struct has in JSON.
func membersOf(t reflect.Type) map[string]bool {
	known := map[string]bool{}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			known[name] = true
		}
	}
	return known
}
