package config

import (
	"errors"
	"net/url"
	"path/filepath"
	"time"

	"mdserver/internal/config/kind"
)

// Libvirt is the section [libvirt].
type Libvirt struct {
	URI          LibvirtURI
	ReleaseAfter time.Duration // Never for not at all
}

// Never is a time that does not come.
const Never time.Duration = -1

// LibvirtURI is where libvirt runs on this host.
type LibvirtURI struct {
	Off     bool   // libvirt is not asked
	Session bool   // a user's libvirt and not the system's
	Socket  string // an absolute path; "" for where libvirt usually listens
}

// String returns the URI as it is written in the configuration.
func (u LibvirtURI) String() string {
	path, query := "/system", ""
	switch {
	case u.Off:
		return "off"
	case u.Session:
		path = "/session"
	}
	if u.Socket == "" {
		return "qemu://" + path
	}
	query = url.Values{"socket": {u.Socket}}.Encode()
	return "qemu+unix://" + path + "?" + query
}

var libvirtKeys = []key{
	{
		section: "libvirt", name: "uri", def: "qemu:///system", restart: true,
		doc: "libvirt connection, for events about guests. libvirtd, virtqemud and virtnetworkd are\n" +
			"found. A user's libvirt (session) has its guests on networks of the system. While\n" +
			"libvirt is not reachable, guests are served from the last known state. off: do not\n" +
			"connect; the hook still works.",
		binding: bind(libvirtURI, func(c *Config) *LibvirtURI { return &c.Libvirt.URI }),
	},
	{
		section: "libvirt", name: "release_after", def: "1h",
		doc: "How long to keep an undefined guest's record: a duration, or `never`. The same applies\n" +
			"to a transient guest that was stopped. After that time its address goes into quarantine.\n" +
			"Guests that were saved or migrated, or that libvirt never had, are kept.",
		binding: bind(orNever(kind.Duration(8760*time.Hour)), func(c *Config) *time.Duration { return &c.Libvirt.ReleaseAfter }),
	},
}

func orNever(k kind.Kind[time.Duration]) kind.Kind[time.Duration] {
	return kind.Kind[time.Duration]{
		Accepts: k.Accepts + ", or never",
		Quotes:  k.Quotes,
		Parse: func(text string) (time.Duration, error) {
			if text == "never" {
				return Never, nil
			}
			return k.Parse(text)
		},
	}
}

var libvirtURI = kind.Kind[LibvirtURI]{
	Accepts: "qemu:///system, qemu:///session, qemu+unix:///system?socket=/path or off",
	Quotes:  true,
	Parse: func(text string) (LibvirtURI, error) {
		if text == "off" {
			return LibvirtURI{Off: true}, nil
		}
		u, err := url.Parse(text)
		switch {
		case text == "":
			return LibvirtURI{}, kind.ErrEmpty
		case err != nil:
			return LibvirtURI{}, errors.New("is not a URI")
		case u.Scheme != "qemu" && u.Scheme != "qemu+unix":
			return LibvirtURI{}, errors.New("has neither the scheme qemu nor qemu+unix")
		case u.Host != "" || u.User != nil:
			return LibvirtURI{}, errors.New("names a host; libvirt must run on this one")
		case u.Path != "/system" && u.Path != "/session":
			return LibvirtURI{}, errors.New("ends in neither /system nor /session")
		}
		socket, err := socketParameter(u.RawQuery)
		return LibvirtURI{Session: u.Path == "/session", Socket: socket}, err
	},
}

// socketParameter reads the one parameter that a URI may have.
func socketParameter(query string) (string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", errors.New("has a malformed query")
	}
	for name := range values {
		if name != "socket" {
			return "", errors.New("has the parameter " + name)
		}
	}
	socket := values.Get("socket")
	if values.Has("socket") && !filepath.IsAbs(socket) {
		return "", errors.New("has a socket without an absolute path")
	}
	return socket, nil
}
