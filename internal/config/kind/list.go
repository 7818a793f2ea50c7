package kind

import (
	"slices"
	"strings"
)

// commaList splits, trims and leaves out what is empty.
func commaList(text string) []string {
	var list []string
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}

// Elements reads a list whose elements are separated by commas.
func Elements[T any](text string, parse func(word string) (T, error)) ([]T, error) {
	var list []T
	for _, word := range commaList(text) {
		element, err := parse(word)
		if err != nil {
			return nil, err
		}
		list = append(list, element)
	}
	return list, nil
}

// Distinct leaves out the elements of a list that have occurred before. It passes
// an error on.
func Distinct[T comparable](list []T, err error) ([]T, error) {
	var once []T
	for _, element := range list {
		if !slices.Contains(once, element) {
			once = append(once, element)
		}
	}
	return once, err
}

// NotEmpty refuses an empty list. It passes an error on.
func NotEmpty[T any](list []T, err error) ([]T, error) {
	if err == nil && len(list) == 0 {
		err = ErrEmpty
	}
	return list, err
}

// Items are "section.key" names. The Python mdserver's documentation wrote the
// whole list in quotes, so they are dropped, around the list and around each name.
var Items = Kind[[]string]{
	Accepts: "section.key names, separated by commas",
	Parse: func(text string) ([]string, error) {
		var list []string
		for _, item := range commaList(Unquote(text)) {
			if item = strings.TrimSpace(Unquote(item)); item != "" {
				list = append(list, item)
			}
		}
		return list, Plain(text)
	},
}
