package stpl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// ParseVariables reads template variables from a JSON object. The order of
// keys is kept, and integers stay integers.
func ParseVariables(data []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	value, err := decodeValue(d, maxNesting)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON object at offset %d", d.InputOffset())
	}
	object, ok := value.(Dict)
	if !ok {
		return nil, fmt.Errorf("a JSON object is wanted, with one member for each variable")
	}
	vars := make(map[string]any, len(object))
	for _, p := range object {
		vars[p.Key] = p.Value
	}
	return vars, nil
}

// maxNesting is how deep objects and arrays may stand in each other.
const maxNesting = 100

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth == 0 {
		return nil, fmt.Errorf("objects and arrays are nested more than %d deep at offset %d", maxNesting, d.InputOffset())
	}
	token, err := d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return decodeObject(d, depth-1)
	case json.Delim('['):
		return decodeArray(d, depth-1)
	}
	return token, nil
}

func decodeObject(d *json.Decoder, depth int) (any, error) {
	object := Dict{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		value, err := decodeValue(d, depth)
		if err != nil {
			return nil, err
		}
		object = append(object, Pair{key.(string), value})
	}
	_, err := d.Token()
	return object, err
}

func decodeArray(d *json.Decoder, depth int) (any, error) {
	list := []any{}
	for d.More() {
		value, err := decodeValue(d, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err := d.Token()
	return list, err
}
