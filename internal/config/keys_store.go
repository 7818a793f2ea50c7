package config

import (
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The engines that keep the inventory, values of Store.Backend.
const (
	BackendBolt = "bolt" // the file mdserver.database
	BackendEtcd = "etcd"
)

// Store is the section [store].
type Store struct {
	Backend string // BackendBolt or BackendEtcd

	// The rest is about etcd alone.
	Endpoints    []string // URLs with a port, all http or all https
	CAFile       string   // "" for the system's authorities
	CertFile     string   // "" for no client certificate
	KeyFile      string
	User         string // "" for none
	PasswordFile string
	Prefix       string // of all keys; begins and ends with a slash
	Host         string // this host's name; "" for that of the system
	Key          string // file of the key that seals what is secret in etcd; "" for none
}

// TLS reports whether connections to etcd are encrypted.
func (s *Store) TLS() bool {
	return len(s.Endpoints) > 0 && strings.HasPrefix(s.Endpoints[0], "https:")
}

const etcdPort = "2379" // of clients, as registered with IANA

var storeKeys = []key{
	{
		section: "store", name: "backend", def: BackendBolt, restart: true,
		doc: "Where the inventory of guests is kept. bolt: in the file `mdserver.database`, for one\n" +
			"host. etcd: in an etcd cluster that several hosts share.",
		binding: bind(choice(BackendBolt, BackendEtcd), func(c *Config) *string { return &c.Store.Backend }),
	},
	{
		section: "store", name: "endpoints", def: "", restart: true,
		doc: "The members of the etcd cluster, as URLs separated by commas. The port is 2379 unless a\n" +
			"URL has another.",
		example: "https://etcd1.example.net, https://etcd2.example.net, https://etcd3.example.net",
		binding: bind(etcdEndpoints, func(c *Config) *[]string { return &c.Store.Endpoints }),
	},
	{
		section: "store", name: "ca_file", def: "", restart: true,
		doc: "Certificates of the authorities that sign the members' certificates, in PEM. If it is\n" +
			"not set, these are the authorities that the system trusts. This file and the next two\n" +
			"are read for each new connection, so that renewed certificates need no restart.",
		example: "/etc/mdserver/etcd-ca.pem",
		binding: bind(optionalPath, func(c *Config) *string { return &c.Store.CAFile }),
	},
	{
		section: "store", name: "cert_file", def: "", restart: true,
		doc:     "Certificate of this host for etcd, in PEM, with intermediate certificates after it.",
		example: "/etc/mdserver/etcd-client.pem",
		binding: bind(optionalPath, func(c *Config) *string { return &c.Store.CertFile }),
	},
	{
		section: "store", name: "key_file", def: "", restart: true,
		doc:     "Private key of `cert_file`, in PEM.",
		example: "/etc/mdserver/etcd-client-key.pem",
		binding: bind(optionalPath, func(c *Config) *string { return &c.Store.KeyFile }),
	},
	{
		section: "store", name: "user", def: "", restart: true,
		doc: "User of etcd. If it is not set, etcd takes the common name of `cert_file` as the user,\n" +
			"provided that its members verify client certificates.",
		example: "mdserver",
		binding: bind(line, func(c *Config) *string { return &c.Store.User }),
	},
	{
		section: "store", name: "password_file", def: "", restart: true,
		doc: "File with the password of `user`. It is read again for each authentication. A line\n" +
			"break at its end is not part of the password.",
		example: "/etc/mdserver/etcd-password",
		binding: bind(optionalPath, func(c *Config) *string { return &c.Store.PasswordFile }),
	},
	{
		section: "store", name: "prefix", def: "/mdserver/", restart: true,
		doc: "Prefix of all keys in etcd. All hosts of a fleet have the same prefix, and nothing else\n" +
			"may use keys below it.",
		binding: bind(etcdPrefix, func(c *Config) *string { return &c.Store.Prefix }),
	},
	{
		section: "store", name: "host", def: "", restart: true,
		doc: "Name of this host among the hosts of a fleet, for people. If it is not set, it is the\n" +
			"system's host name.",
		example: "kvm1",
		binding: bind(line, func(c *Config) *string { return &c.Store.Host }),
	}, {
		section: "store", name: "key", def: "", restart: true,
		doc: "File with the key that `mdserver store key` has made, the same on all hosts. With it, the\n" +
			"hosts share the key of tokens, the identity authority and the ssh host authority, sealed\n" +
			"in etcd. If it is not set, each host has its own.",
		example: "/etc/mdserver/store.key",
		binding: bind(optionalPath, func(c *Config) *string { return &c.Store.Key }),
	},
}

// etcdEndpoints is a list of URLs of etcd's members.
var etcdEndpoints = kind[[]string]{
	accepts: "http://HOST[:PORT] or https://HOST[:PORT], separated by commas and all of one scheme, or nothing",
	quotes:  true,
	parse: func(text string) ([]string, error) {
		if isNone(text) {
			return nil, nil
		}
		list, err := distinct(elements(text, etcdEndpoint))
		if slices.ContainsFunc(list, func(at string) bool { return scheme(at) != scheme(list[0]) }) {
			return nil, errors.New("mixes http and https")
		}
		return list, err
	},
}

func scheme(endpoint string) string {
	s, _, _ := strings.Cut(endpoint, ":")
	return s
}

// etcdEndpoint checks one URL and adds the port if it has none.
func etcdEndpoint(word string) (string, error) {
	u, err := url.Parse(word)
	switch {
	case err != nil || plain(word) != nil:
		return "", errors.New("has an element that is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("has an element without http:// or https://")
	case u.User != nil:
		return "", errors.New("has a user in a URL; use store.user and store.password_file")
	case u.Hostname() == "":
		return "", errors.New("has a URL without a host")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("has a URL with more than a host and a port")
	}
	port := u.Port()
	if port == "" {
		port = etcdPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("has a URL whose port is out of range")
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port), nil
}

// etcdPrefix is a prefix of keys, which gets a slash at its end.
var etcdPrefix = kind[string]{
	accepts: "names of letters, digits and . _ -, with a slash before each, at most 200 characters",
	quotes:  true,
	parse: func(text string) (string, error) {
		bare := strings.TrimSuffix(text, "/")
		switch {
		case text == "":
			return "", errEmpty
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

// checkStore holds the keys about etcd against each other. The files are not
// read here: many who read the configuration may not read a private key.
func (l *loader) checkStore() {
	s := &l.config.Store
	if s.Backend != BackendEtcd {
		return
	}
	if len(s.Endpoints) == 0 {
		l.problem(l.place("store.endpoints", "store.backend"), "etcd needs endpoints", etcdEndpoints.accepts)
		return
	}
	l.checkTogether("store.cert_file", s.CertFile, "store.key_file", s.KeyFile)
	l.checkTogether("store.user", s.User, "store.password_file", s.PasswordFile)
	if s.TLS() {
		return
	}
	for _, name := range []string{"store.ca_file", "store.cert_file", "store.key_file"} {
		if l.config.effective[name] != "" {
			l.warnAt(l.place(name), "has no effect, because store.endpoints are not https")
		}
	}
	if s.User != "" {
		l.warnAt(l.place("store.password_file"), "is sent to etcd without encryption; use https in store.endpoints")
	}
}

// checkTogether wants two keys to be set together.
func (l *loader) checkTogether(name, text, other, otherText string) {
	if text == "" {
		name, other, text, otherText = other, name, otherText, text
	}
	if text != "" && otherText == "" {
		l.problem(l.place(name), "needs "+other+" as well", "both or none of them")
	}
}
