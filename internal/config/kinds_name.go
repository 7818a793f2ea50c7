package config

import (
	"errors"
	"fmt"
	"strings"
)

var path = kind[string]{
	accepts: "a path without line breaks",
	quotes:  true,
	parse: func(text string) (string, error) {
		if text == "" {
			return "", errEmpty
		}
		return text, plain(text)
	},
}

var optionalPath = kind[string]{
	accepts: "a path without line breaks, or nothing",
	quotes:  true,
	parse: func(text string) (string, error) {
		if isNone(text) {
			return "", nil
		}
		return text, plain(text)
	},
}

// dnsmasqPath is a path that can stand in dnsmasq's own configuration, which has
// no way to quote these characters.
var dnsmasqPath = kind[string]{
	accepts: `a path without commas, quotes, #, backslashes and line breaks`,
	quotes:  true,
	parse: func(text string) (string, error) {
		if i := strings.IndexAny(text, `,"#\`); i >= 0 {
			return "", fmt.Errorf("has the character %q, which dnsmasq's files cannot hold", text[i])
		}
		return path.parse(text)
	},
}

// socketPath is a path that fits into the kernel's sockaddr_un.
var socketPath = kind[string]{
	accepts: "a path of at most 107 bytes",
	quotes:  true,
	parse: func(text string) (string, error) {
		if len(text) > 107 {
			return "", errors.New("too long for a Unix socket")
		}
		return path.parse(text)
	},
}

// paths is a colon separated list; empty elements are left out.
var paths = kind[[]string]{
	accepts: "paths, separated by colons",
	quotes:  true,
	parse: func(text string) ([]string, error) {
		var list []string
		for _, p := range strings.Split(text, ":") {
			if p = strings.TrimSpace(p); p != "" {
				list = append(list, p)
			}
		}
		return list, plain(text)
	},
}

// suffixes is a colon separated list in which an empty element counts.
var suffixes = kind[[]string]{
	accepts: "file name suffixes, separated by colons, nothing for the bare name",
	parse: func(text string) ([]string, error) {
		if strings.Contains(text, "/") {
			return nil, errors.New("has a slash")
		}
		return strings.Split(text, ":"), plain(text)
	},
}

// token is a name that is safe in file names and in dnsmasq's lines.
func token(most int) kind[string] {
	return kind[string]{
		accepts: fmt.Sprintf("a name of letters, digits and . _ -, not beginning with . or -, at most %d characters", most),
		quotes:  true,
		parse: func(text string) (string, error) {
			switch {
			case text == "":
				return "", errEmpty
			case text[0] == '.' || text[0] == '-':
				return "", errors.New("begins with " + text[:1])
			case strings.ContainsFunc(text, func(r rune) bool { return !isNameRune(r) && r != '_' && r != '.' }):
				return "", errors.New("has a character that a name must not have")
			case len(text) > most:
				return "", errors.New("too long")
			}
			return text, nil
		},
	}
}

// isNameRune reports whether r may stand in a DNS label.
func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-'
}

// checkDNS refuses what is no host name after RFC 1123.
func checkDNS(name string) error {
	if len(name) > 253 {
		return errors.New("longer than 253 characters")
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return errors.New("has an empty label")
		case len(label) > 63:
			return errors.New("has a label of more than 63 characters")
		case label[0] == '-' || label[len(label)-1] == '-':
			return errors.New("has a label that begins or ends with -")
		case strings.ContainsFunc(label, func(r rune) bool { return !isNameRune(r) }):
			return errors.New("has a character that a DNS name must not have")
		}
	}
	return nil
}

// unlessOff handles the words for "not set" and refuses the words for "yes", which
// the Python mdserver took for the value True.
func unlessOff(text string, parse func(string) (string, error)) (string, error) {
	switch {
	case isNone(text) || isFalse(text):
		return "", nil
	case isTrue(text):
		return "", errors.New("only says that it is on, not what it is")
	}
	return parse(text)
}

var dnsPrefix = kind[string]{
	accepts: "the beginning of a DNS name (letters, digits, - and .), or no",
	quotes:  true,
	parse: func(text string) (string, error) {
		return unlessOff(text, func(text string) (string, error) {
			return text, checkDNS(text + "x")
		})
	},
}

var dnsDomain = kind[string]{
	accepts: "a DNS name (letters, digits, - and .), or no",
	quotes:  true,
	parse: func(text string) (string, error) {
		return unlessOff(text, func(text string) (string, error) {
			text = strings.TrimSuffix(text, ".")
			return text, checkDNS(text)
		})
	},
}

var hostPrefix = kind[string]{
	accepts: "letters, digits and -",
	quotes:  true,
	parse: func(text string) (string, error) {
		if text == "" {
			return "", nil
		}
		return text, checkDNS(text + "x")
	},
}

var entryOrder = kind[[]string]{
	accepts: "base, prefix, domain and fqdn, separated by commas",
	quotes:  true,
	parse: func(text string) ([]string, error) {
		return notEmpty(distinct(elements(strings.ToLower(text), entryForm)))
	},
}

// entryForm is a form of a guest's name in DNS.
func entryForm(word string) (string, error) {
	switch word {
	case "base", "prefix", "domain":
		return word, nil
	case "fqdn":
		return "domain", nil
	}
	return "", errors.New("has a word that names no form")
}

// versions are path elements. A slash at either end is dropped, as the Python
// mdserver rooted each of them.
var versions = kind[[]string]{
	accepts: "version names such as 2021-03-23 or latest, separated by commas",
	quotes:  true,
	parse: func(text string) ([]string, error) {
		return notEmpty(distinct(elements(text, func(word string) (string, error) {
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

// items are "section.key" names. The Python mdserver's documentation wrote the
// whole list in quotes, so they are dropped, around the list and around each name.
var items = kind[[]string]{
	accepts: "section.key names, separated by commas",
	parse: func(text string) ([]string, error) {
		var list []string
		for _, item := range commaList(unquote(text)) {
			if item = strings.TrimSpace(unquote(item)); item != "" {
				list = append(list, item)
			}
		}
		return list, plain(text)
	},
}

// unquote drops one pair of quotes around the whole text.
func unquote(text string) string {
	if n := len(text); n >= 2 && (text[0] == '\'' || text[0] == '"') && text[n-1] == text[0] {
		return text[1 : n-1]
	}
	return text
}
