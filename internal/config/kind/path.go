package kind

import (
	"errors"
	"fmt"
	"strings"
)

// Path is the path of a file or directory.
var Path = Kind[string]{
	Accepts: "a path without line breaks",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		if text == "" {
			return "", ErrEmpty
		}
		return text, Plain(text)
	},
}

// OptionalPath is a Path, or "" for none.
var OptionalPath = Kind[string]{
	Accepts: "a path without line breaks, or nothing",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		if IsNone(text) {
			return "", nil
		}
		return text, Plain(text)
	},
}

// DnsmasqPath is a path that can stand in dnsmasq's own configuration, which has
// no way to quote these characters.
var DnsmasqPath = Kind[string]{
	Accepts: `a path without commas, quotes, #, backslashes and line breaks`,
	Quotes:  true,
	Parse: func(text string) (string, error) {
		if i := strings.IndexAny(text, `,"#\`); i >= 0 {
			return "", fmt.Errorf("has the character %q, which dnsmasq's files cannot hold", text[i])
		}
		return Path.Parse(text)
	},
}

// SocketPath is a path that fits into the kernel's sockaddr_un.
var SocketPath = Kind[string]{
	Accepts: "a path of at most 107 bytes",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		if len(text) > 107 {
			return "", errors.New("too long for a Unix socket")
		}
		return Path.Parse(text)
	},
}

// Paths is a colon separated list; empty elements are left out.
var Paths = Kind[[]string]{
	Accepts: "paths, separated by colons",
	Quotes:  true,
	Parse: func(text string) ([]string, error) {
		var list []string
		for _, p := range strings.Split(text, ":") {
			if p = strings.TrimSpace(p); p != "" {
				list = append(list, p)
			}
		}
		return list, Plain(text)
	},
}

// Suffixes is a colon separated list in which an empty element counts.
var Suffixes = Kind[[]string]{
	Accepts: "file name suffixes, separated by colons, nothing for the bare name",
	Parse: func(text string) ([]string, error) {
		if strings.Contains(text, "/") {
			return nil, errors.New("has a slash")
		}
		return strings.Split(text, ":"), Plain(text)
	},
}
