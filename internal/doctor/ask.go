package doctor

import (
	"context"
	"errors"
	"time"

	libvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/config"
	"mdserver/internal/libvirt/connection"
)

// askTime bounds all that is asked of libvirt's daemons.
const askTime = 10 * time.Second

// view is what libvirt shows of itself.
type view struct {
	socket   string // the one that answered
	err      error  // why none does
	networks []network
	domains  []domain
}

// network is one of libvirt's.
type network struct {
	name, bridge string
	active       bool
}

// errOff means that libvirt is not used.
var errOff = errors.New("[libvirt] uri is off")

// look asks libvirt for its networks and domains.
func look(ctx context.Context, uri config.LibvirtURI) view {
	if uri.Off {
		return view{err: errOff}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var v view
	end := connection.Endpoint{Session: uri.Session, Socket: uri.Socket}
	if v.err = v.ask(ctx, end, connection.QEMU, v.readDomains); v.err == nil {
		v.err = v.ask(ctx, end, connection.Network, v.readNetworks)
	}
	return v
}

func (v *view) ask(ctx context.Context, end connection.Endpoint, driver connection.Driver, read func(*libvirt.Libvirt) error) error {
	conn, err := connection.Dial(ctx, end, driver)
	if err != nil {
		return err
	}
	defer conn.Close()
	if v.socket == "" {
		v.socket = conn.Socket()
	}
	return conn.Do(ctx, read)
}

func (v *view) readDomains(l *libvirt.Libvirt) error {
	list, _, err := l.ConnectListAllDomains(1, 0)
	if err != nil {
		return err
	}
	for _, dom := range list {
		text, err := l.DomainGetXMLDesc(dom, 0)
		if libvirt.IsNotFound(err) {
			continue // gone meanwhile
		}
		if err != nil {
			return err
		}
		d, err := parseDomain(text)
		if err != nil {
			return err
		}
		v.domains = append(v.domains, d)
	}
	return nil
}

func (v *view) readNetworks(l *libvirt.Libvirt) error {
	list, _, err := l.ConnectListAllNetworks(1, 0)
	if err != nil {
		return err
	}
	for _, net := range list {
		active, err := l.NetworkIsActive(net)
		if libvirt.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		bridge, err := l.NetworkGetBridgeName(net)
		if err != nil {
			bridge = "" // one that leads to a device has none
		}
		v.networks = append(v.networks, network{net.Name, bridge, active == 1})
	}
	return nil
}
