// Package names has the kinds of values that are names: of hosts, domains, network
// interfaces and users, of what EC2 has names for, and of keys in etcd.
package names

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"mdserver/internal/config/kind"
	"mdserver/internal/instance"
)

// Token is a name that is safe in file names and in dnsmasq's lines.
func Token(most int) kind.Kind[string] {
	return kind.Kind[string]{
		Accepts: fmt.Sprintf("a name of letters, digits and . _ -, not beginning with . or -, at most %d characters", most),
		Quotes:  true,
		Parse: func(text string) (string, error) {
			switch {
			case text == "":
				return "", kind.ErrEmpty
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
	case kind.IsNone(text) || kind.IsFalse(text):
		return "", nil
	case kind.IsTrue(text):
		return "", errors.New("only says that it is on, not what it is")
	}
	return parse(text)
}

// DNSPrefix comes before guests' names in DNS; "" for none.
var DNSPrefix = kind.Kind[string]{
	Accepts: "the beginning of a DNS name (letters, digits, - and .), or no",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		return unlessOff(text, func(text string) (string, error) {
			return text, checkDNS(text + "x")
		})
	},
}

// DNSDomain is a domain without a final dot; "" for none.
var DNSDomain = kind.Kind[string]{
	Accepts: "a DNS name (letters, digits, - and .), or no",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		return unlessOff(text, func(text string) (string, error) {
			text = strings.TrimSuffix(text, ".")
			return text, checkDNS(text)
		})
	},
}

// DNSDomains are any number of domains without dots around them.
var DNSDomains = kind.Kind[[]string]{
	Accepts: "DNS names, separated by commas, or nothing",
	Quotes:  true,
	Parse: func(text string) ([]string, error) {
		if kind.IsNone(text) {
			return nil, nil
		}
		return kind.Elements(text, func(word string) (string, error) {
			domain := strings.Trim(word, ".")
			if checkDNS(domain) != nil {
				return "", errors.New("contains something that is not a DNS name")
			}
			return domain, nil
		})
	},
}

// HostPrefix begins a host name.
var HostPrefix = kind.Kind[string]{
	Accepts: "letters, digits and -",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		if text == "" {
			return "", nil
		}
		return text, checkDNS(text + "x")
	},
}

// EntryOrder is a list of the forms of a guest's name in DNS, each once: base, prefix
// and domain.
var EntryOrder = kind.Kind[[]string]{
	Accepts: "base, prefix, domain and fqdn, separated by commas",
	Quotes:  true,
	Parse: func(text string) ([]string, error) {
		return kind.NotEmpty(kind.Distinct(kind.Elements(strings.ToLower(text), entryForm)))
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

// UserName is the name of a user on a guest.
var UserName = kind.Kind[string]{
	Accepts: "a user name, or nothing",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		if text != "" && !instance.ValidUser(text) {
			return "", errors.New("not a user name")
		}
		return text, nil
	},
}

// HostNames is a comma separated list of host names.
var HostNames = kind.Kind[[]string]{
	Accepts: "host names, separated by commas, or nothing",
	Quotes:  true,
	Parse: func(text string) ([]string, error) {
		names := instance.SplitList(text)
		for _, name := range names {
			if !instance.ValidHostname(name) && !strings.EqualFold(name, "localhost") {
				return nil, errors.New("not a list of host names")
			}
		}
		return names, nil
	},
}

// Interfaces is a comma separated list of network interfaces.
var Interfaces = kind.Kind[[]string]{
	Accepts: "names of network interfaces, separated by commas, or any, or nothing",
	Quotes:  true,
	Parse: func(text string) ([]string, error) {
		var list []string
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if _, err := InterfaceName.Parse(name); err != nil {
				return nil, err
			}
			list = append(list, name)
		}
		return list, nil
	},
}

// InterfaceName is the name of a network interface.
var InterfaceName = Token(15) // IFNAMSIZ less its final zero

// EtcdPrefix is a prefix of keys, which gets a slash at its end.
var EtcdPrefix = kind.Kind[string]{
	Accepts: "names of letters, digits and . _ -, with a slash before each, at most 200 characters",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		bare := strings.TrimSuffix(text, "/")
		switch {
		case text == "":
			return "", kind.ErrEmpty
		case bare == "":
			return "", errors.New("names no part of the keys")
		case text[0] != '/':
			return "", errors.New("does not begin with a slash")
		case len(text) > 200:
			return "", errors.New("too long")
		case filepath.Clean(bare) != bare:
			return "", errors.New("has an empty name or dots alone as a name")
		case strings.ContainsFunc(bare, func(r rune) bool { return !isNameRune(r) && !strings.ContainsRune("/._", r) }):
			return "", errors.New("has a character that a prefix must not have")
		}
		return bare + "/", nil
	},
}
