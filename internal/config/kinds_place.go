package config

import (
	"errors"
	"strings"
)

// longestPlace leaves room for the letter of an availability zone.
const longestPlace = 62

// placeName makes the name of a region out of any text.
func placeName(location string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(location) {
		if isNameRune(r) {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	name := b.String()
	name = strings.Trim(name[:min(len(name), longestPlace)], "-")
	if name == "" {
		return "local"
	}
	return name
}

// region is a region or an availability zone.
var region = kind[string]{
	accepts: "lower-case letters, digits and inner hyphens, at most 63 characters",
	quotes:  true,
	parse: func(text string) (string, error) {
		switch {
		case text == "":
			return "", errEmpty
		case text != strings.ToLower(text) || strings.Contains(text, "."):
			return "", errors.New("has a character that a place must not have")
		}
		return text, checkDNS(text)
	},
}

// accountDigits is the length of an account's number at AWS.
const accountDigits = 12

var account = kind[string]{
	accepts: "12 digits",
	quotes:  true,
	parse: func(text string) (string, error) {
		if len(text) != accountDigits || strings.Trim(text, "0123456789") != "" {
			return "", errors.New("not 12 digits")
		}
		return text, nil
	},
}
