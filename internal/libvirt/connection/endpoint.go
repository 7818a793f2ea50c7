package connection

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	libvirt "github.com/digitalocean/go-libvirt"
)

// Driver is what a connection is for. Where libvirt runs one daemon for each
// driver, it decides which one answers.
type Driver string

// The drivers that mdserver needs.
const (
	QEMU    Driver = "qemu"    // domains
	Network Driver = "network" // libvirt's networks
)

// Endpoint is where libvirt is looked for.
type Endpoint struct {
	Session bool   // a user's libvirt and not the system's
	Socket  string // an absolute path; "" for where libvirt usually listens
	Dialer  Dialer // connects to sockets; nil for this host's
}

// Dialer connects to a socket. A *net.Dialer does so on this host.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

func (e Endpoint) dialer() Dialer {
	if e.Dialer != nil {
		return e.Dialer
	}
	return new(net.Dialer)
}

// of is where the daemon for a driver is looked for: the networks that serve a
// user's domains are the system's, for no user can make a bridge.
func (e Endpoint) of(driver Driver) Endpoint {
	if e.Session && driver == Network {
		return Endpoint{}
	}
	return e
}

// Sockets lists where the daemon for a driver may listen, in the order of
// libvirt's own clients: the driver's own daemon, then the one for all.
func (e Endpoint) Sockets(driver Driver) ([]string, error) {
	if socket := e.of(driver).Socket; socket != "" {
		return []string{socket}, nil
	}
	dir := "/run/libvirt"
	if e.of(driver).Session {
		runtime := os.Getenv("XDG_RUNTIME_DIR")
		if runtime == "" {
			return nil, errors.New("qemu:///session needs XDG_RUNTIME_DIR in the environment")
		}
		dir = filepath.Join(runtime, "libvirt")
	}
	own := map[Driver]string{QEMU: "virtqemud-sock", Network: "virtnetworkd-sock"}[driver]
	return []string{filepath.Join(dir, own), filepath.Join(dir, "libvirt-sock")}, nil
}

// readOnly lists the sockets beside those that only let read. A user's own
// libvirt has none, and a socket that was named is the one that is meant.
func (e Endpoint) readOnly(sockets []string) []string {
	if e.Session || e.Socket != "" {
		return nil
	}
	var list []string
	for _, s := range sockets {
		list = append(list, s+"-ro")
	}
	return list
}

// URI is what libvirt's own clients name the daemon for a driver by.
func (e Endpoint) URI(driver Driver) string {
	uri := string(e.uri(driver, ""))
	if socket := e.of(driver).Socket; socket != "" {
		return strings.Replace(uri, "qemu:", "qemu+unix:", 1) + "?socket=" + url.QueryEscape(socket)
	}
	return uri
}

// uri is what the daemon behind a socket is asked to open.
func (e Endpoint) uri(driver Driver, socket string) libvirt.ConnectURI {
	scheme := "qemu"
	if driver == Network && filepath.Base(socket) == "virtnetworkd-sock" {
		scheme = "network"
	}
	if e.of(driver).Session {
		return libvirt.ConnectURI(scheme + ":///session")
	}
	return libvirt.ConnectURI(scheme + ":///system")
}
