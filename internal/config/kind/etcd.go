package kind

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const etcdPort = "2379" // of clients, as registered with IANA

// EtcdEndpoints is a list of URLs of etcd's members, each with its port.
var EtcdEndpoints = Kind[[]string]{
	Accepts: "http://HOST[:PORT] or https://HOST[:PORT], separated by commas and all of one scheme, or nothing",
	Quotes:  true,
	Parse: func(text string) ([]string, error) {
		if IsNone(text) {
			return nil, nil
		}
		list, err := Distinct(Elements(text, etcdEndpoint))
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
	case err != nil || Plain(word) != nil:
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
