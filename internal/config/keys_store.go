package config

import (
	"strings"

	"mdserver/internal/config/kind"
	"mdserver/internal/config/names"
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

var storeKeys = []key{
	{
		section: "store", name: "backend", def: BackendBolt, restart: true,
		doc: "Where the inventory of guests is kept. bolt: in the file `mdserver.database`, for one\n" +
			"host. etcd: in an etcd cluster that several hosts share.",
		binding: bind(kind.Choice(BackendBolt, BackendEtcd), func(c *Config) *string { return &c.Store.Backend }),
	},
	{
		section: "store", name: "endpoints", def: "", restart: true,
		doc: "The members of the etcd cluster, as URLs separated by commas. The port is 2379 unless a\n" +
			"URL has another.",
		example: "https://etcd1.example.net, https://etcd2.example.net, https://etcd3.example.net",
		binding: bind(kind.EtcdEndpoints, func(c *Config) *[]string { return &c.Store.Endpoints }),
	},
	{
		section: "store", name: "ca_file", def: "", restart: true,
		doc: "Certificates of the authorities that sign the members' certificates, in PEM. If it is\n" +
			"not set, these are the authorities that the system trusts. This file and the next two\n" +
			"are read for each new connection, so that renewed certificates need no restart.",
		example: "/etc/mdserver/etcd-ca.pem",
		binding: bind(kind.OptionalPath, func(c *Config) *string { return &c.Store.CAFile }),
	},
	{
		section: "store", name: "cert_file", def: "", restart: true,
		doc:     "Certificate of this host for etcd, in PEM, with intermediate certificates after it.",
		example: "/etc/mdserver/etcd-client.pem",
		binding: bind(kind.OptionalPath, func(c *Config) *string { return &c.Store.CertFile }),
	},
	{
		section: "store", name: "key_file", def: "", restart: true,
		doc:     "Private key of `cert_file`, in PEM.",
		example: "/etc/mdserver/etcd-client-key.pem",
		binding: bind(kind.OptionalPath, func(c *Config) *string { return &c.Store.KeyFile }),
	},
	{
		section: "store", name: "user", def: "", restart: true,
		doc: "User of etcd. If it is not set, etcd takes the common name of `cert_file` as the user,\n" +
			"provided that its members verify client certificates.",
		example: "mdserver",
		binding: bind(kind.Line, func(c *Config) *string { return &c.Store.User }),
	},
	{
		section: "store", name: "password_file", def: "", restart: true,
		doc: "File with the password of `user`. It is read again for each authentication. A line\n" +
			"break at its end is not part of the password.",
		example: "/etc/mdserver/etcd-password",
		binding: bind(kind.OptionalPath, func(c *Config) *string { return &c.Store.PasswordFile }),
	},
	{
		section: "store", name: "prefix", def: "/mdserver/", restart: true,
		doc: "Prefix of all keys in etcd. All hosts of a fleet have the same prefix, and nothing else\n" +
			"may use keys below it.",
		binding: bind(names.EtcdPrefix, func(c *Config) *string { return &c.Store.Prefix }),
	},
	{
		section: "store", name: "host", def: "", restart: true,
		doc: "Name of this host among the hosts of a fleet, for people. If it is not set, it is the\n" +
			"system's host name.",
		example: "kvm1",
		binding: bind(kind.Line, func(c *Config) *string { return &c.Store.Host }),
	}, {
		section: "store", name: "key", def: "", restart: true,
		doc: "File with the key that `mdserver store key` has made, the same on all hosts. With it, the\n" +
			"hosts share the key of tokens, the identity authority and the ssh host authority, sealed\n" +
			"in etcd. If it is not set, each host has its own.",
		example: "/etc/mdserver/store.key",
		binding: bind(kind.OptionalPath, func(c *Config) *string { return &c.Store.Key }),
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
		l.problem(l.place("store.endpoints", "store.backend"), "etcd needs endpoints", kind.EtcdEndpoints.Accepts)
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
