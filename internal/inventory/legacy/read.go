package legacy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"mdserver/internal/instance"
)

// Parse reads the Python mdserver's database in either form. The guests keep their
// addresses and the instance-id that the Python mdserver gave them. Invalid
// entries are skipped and reported; an error means that the file as a whole is not
// such a database.
func Parse(data []byte) ([]instance.Instance, []Skipped, error) {
	raw, err := entries(data)
	if err != nil {
		return nil, nil, err
	}
	guests := make([]indexed, 0, len(raw))
	var skipped []Skipped
	for i, text := range raw {
		guest, problems := readEntry(i, text)
		skipped = append(skipped, problems...)
		if guest != nil {
			guests = append(guests, indexed{i, *guest})
		}
	}
	unique, duplicates := lastWins(guests)
	return unique, append(skipped, duplicates...), nil
}

// FormOf tells which form a database has that Parse reads.
func FormOf(data []byte) Form {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		return List
	}
	return Object
}

// entries finds the list of entries in either form.
func entries(data []byte) ([]json.RawMessage, error) {
	data = bytes.TrimSpace(data)
	var list []json.RawMessage
	switch {
	case len(data) == 0:
		return nil, errors.New("the file is empty")
	case data[0] == '[':
		return list, located(data, json.Unmarshal(data, &list))
	case data[0] != '{':
		return nil, fmt.Errorf("it begins with %q, accepted: a JSON list of entries, or an object with \"metadata\" and \"entries\"", data[:1])
	}
	var object map[string]json.RawMessage
	if err := located(data, json.Unmarshal(data, &object)); err != nil {
		return nil, err
	}
	text, ok := object["entries"]
	if !ok {
		return nil, errors.New(`the object has no "entries", accepted: a JSON list of entries, or an object with "metadata" and "entries"`)
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, errors.New(`"entries" is not a list`)
	}
	return list, nil
}

// located adds the line to an error of the JSON parser.
func located(data []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := data[:min(int(syntax.Offset), len(data))]
		return fmt.Errorf("line %d: %w", 1+bytes.Count(before, []byte{'\n'}), err)
	}
	return err
}
