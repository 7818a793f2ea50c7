package names

import (
	"errors"
	"strings"

	"mdserver/internal/config/kind"
)

// longestPlace leaves room for the letter of an availability zone.
const longestPlace = 62

// PlaceName makes the name of a region out of any text.
func PlaceName(location string) string {
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

// Region is a region or an availability zone.
var Region = kind.Kind[string]{
	Accepts: "lower-case letters, digits and inner hyphens, at most 63 characters",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		switch {
		case text == "":
			return "", kind.ErrEmpty
		case text != strings.ToLower(text) || strings.Contains(text, "."):
			return "", errors.New("has a character that a place must not have")
		}
		return text, checkDNS(text)
	},
}

// accountDigits is the length of an account's number at AWS.
const accountDigits = 12

// Account is the number of an account at AWS.
var Account = kind.Kind[string]{
	Accepts: "12 digits",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		if len(text) != accountDigits || strings.Trim(text, "0123456789") != "" {
			return "", errors.New("not 12 digits")
		}
		return text, nil
	},
}

// Versions are path elements. A slash at either end is dropped, as the Python
// mdserver rooted each of them.
var Versions = kind.Kind[[]string]{
	Accepts: "version names such as 2021-03-23 or latest, separated by commas",
	Quotes:  true,
	Parse: func(text string) ([]string, error) {
		return kind.NotEmpty(kind.Distinct(kind.Elements(text, func(word string) (string, error) {
			version := strings.Trim(word, "/")
			return version, checkVersion(version)
		})))
	},
}

func checkVersion(v string) error {
	for element := range strings.SplitSeq(v, "/") {
		if element == "" || element[0] == '.' {
			return errors.New("has an empty element, or one that begins with a dot")
		}
	}
	if strings.ContainsFunc(v, func(r rune) bool { return !isNameRune(r) && !strings.ContainsRune("._/", r) }) {
		return errors.New("has a character that a version must not have")
	}
	return nil
}
