package host

import (
	"context"
	"errors"
	"io/fs"
	"os/user"
	"regexp"
	"slices"
	"time"

	libvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/config"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/libvirt/connection"
)

// Libvirt is what libvirt shows of itself.
type Libvirt struct {
	Err      error  // why it does not answer
	Socket   string // the one that answered
	Networks []LibvirtNetwork
	Domains  []Domain

	SocketFile File  // the same
	Polkit     Guard // of the socket
	listener   int   // the process at the socket; 0 if it is not known

	Daemon     kernel.Process // that runs guests; no PID if there is none
	DaemonUnit string         // the unit that runs guests on this host

	StockNetwork  bool // the definition of libvirt's network "default" is installed
	SampleNetwork bool // that of mdserver's sample network is
}

// LibvirtNetwork is one of libvirt's networks.
type LibvirtNetwork struct {
	Name, Bridge string
	Active       bool
}

// Guard is a group whose members polkit lets use libvirt.
type Guard struct {
	On    bool
	GID   uint32
	Group string
}

// StateDir tells whether LibvirtState and LibvirtNotes are there.
type StateDir struct {
	Parent, Exists bool
}

// Where libvirt keeps its state, and where it notes the MAC addresses of the guests
// on each of its networks, even one without DHCP and DNS.
const (
	LibvirtState = "/var/lib/libvirt"
	LibvirtNotes = LibvirtState + "/dnsmasq"
)

// Where packages install definitions of networks: libvirt's own network
// "default", and the network that the defaults of the configuration describe.
const (
	StockNetwork  = "/usr/share/libvirt/networks/default.xml"
	SampleNetwork = "/usr/local/share/mdserver/mds-network.xml"
)

// ErrOff means that libvirt is not used.
var ErrOff = errors.New("[libvirt] uri is off")

// Network finds libvirt's network of a name.
func (v Libvirt) Network(name string) (LibvirtNetwork, bool) {
	return v.find(func(n LibvirtNetwork) bool { return n.Name == name })
}

// Owner finds libvirt's network that creates the bridge of a served network.
func (v Libvirt) Owner(n Network) (LibvirtNetwork, bool) {
	if found, ok := v.Network(n.Name); ok {
		return found, true
	}
	return v.find(func(other LibvirtNetwork) bool { return n.Bridge != "" && other.Bridge == n.Bridge })
}

func (v Libvirt) find(is func(LibvirtNetwork) bool) (LibvirtNetwork, bool) {
	if i := slices.IndexFunc(v.Networks, is); i >= 0 {
		return v.Networks[i], true
	}
	return LibvirtNetwork{}, false
}

// askTime bounds all that is asked of libvirt's daemons.
const askTime = 10 * time.Second

func (r reader) libvirt(ctx context.Context, uri config.LibvirtURI) Libvirt {
	v := askLibvirt(ctx, uri)
	if v.Socket != "" {
		v.SocketFile = statFile(v.Socket)
	}
	v.Polkit = r.polkit()
	v.Daemon = r.daemon(v.listener)
	v.DaemonUnit = r.daemonUnit()
	v.StockNetwork, v.SampleNetwork = r.system.Exists(StockNetwork[1:]), r.system.Exists(SampleNetwork[1:])
	return v
}

// askLibvirt asks libvirt for its networks and domains.
func askLibvirt(ctx context.Context, uri config.LibvirtURI) Libvirt {
	if uri.Off {
		return Libvirt{Err: ErrOff}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var v Libvirt
	end := connection.Endpoint{Session: uri.Session, Socket: uri.Socket}
	if v.Err = v.ask(ctx, end, connection.QEMU, v.readDomains); v.Err == nil {
		v.Err = v.ask(ctx, end, connection.Network, v.readNetworks)
	}
	return v
}

func (v *Libvirt) ask(ctx context.Context, end connection.Endpoint, driver connection.Driver, read func(*libvirt.Libvirt) error) error {
	conn, err := connection.Dial(ctx, end, driver)
	if err != nil {
		return err
	}
	defer conn.Close()
	if v.Socket == "" {
		v.Socket, v.listener = conn.Socket(), conn.Process()
	}
	return conn.Do(ctx, read)
}

func (v *Libvirt) readDomains(l *libvirt.Libvirt) error {
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
		d, err := ParseDomain(text)
		if err != nil {
			return err
		}
		v.Domains = append(v.Domains, d)
	}
	return nil
}

func (v *Libvirt) readNetworks(l *libvirt.Libvirt) error {
	list, _, err := l.ConnectListAllNetworks(1, 0)
	if err != nil {
		return err
	}
	for _, net := range list {
		active, err := l.NetworkIsActive(net)
		if answer, ok := errors.AsType[libvirt.Error](err); ok && answer.Code == uint32(libvirt.ErrNoNetwork) {
			continue // gone meanwhile
		}
		if err != nil {
			return err
		}
		bridge, _ := l.NetworkGetBridgeName(net) // one that leads to a device has none
		v.Networks = append(v.Networks, LibvirtNetwork{net.Name, bridge, active == 1})
	}
	return nil
}

// daemons are the programs that run guests: the monolithic and the modular one.
var daemons = []string{"libvirtd", "virtqemud"}

// daemon finds the libvirt daemon that runs guests here: the one that
// listens at the socket or, where systemd does that, one among this host's processes.
func (r reader) daemon(listener int) kernel.Process {
	if listener != 0 && slices.Contains(daemons, r.kernel.CommandName(listener)) {
		return r.kernel.Process(listener)
	}
	for _, pid := range r.kernel.Neighbours() {
		if slices.Contains(daemons, r.kernel.CommandName(pid)) {
			return r.kernel.Process(pid)
		}
	}
	return kernel.Process{}
}

func (r reader) daemonUnit() string {
	for _, name := range daemons {
		if r.system.Exists("usr/sbin/" + name) {
			return name + ".service"
		}
	}
	return "libvirtd.service"
}

// polkitGroup is the group whose members libvirt's rule for polkit lets in.
const polkitGroup = "libvirt"

// polkit finds whether polkit asks for the group. libvirtd.conf may turn it off.
func (r reader) polkit() Guard {
	settings, err := fs.ReadFile(r.root, "etc/libvirt/libvirtd.conf")
	if err != nil || withoutPolkit.Match(settings) || !r.system.Exists("usr/share/polkit-1/rules.d/60-libvirt.rules") {
		return Guard{}
	}
	g, err := user.LookupGroup(polkitGroup)
	if err != nil {
		return Guard{}
	}
	gid, err := parseID(g.Gid)
	return Guard{On: err == nil, GID: gid, Group: g.Name}
}

var withoutPolkit = regexp.MustCompile(`(?m)^\s*auth_unix_rw\s*=\s*"none"`)

func (r reader) libvirtState() StateDir {
	return StateDir{Parent: r.system.Exists(LibvirtState[1:]), Exists: r.system.Exists(LibvirtNotes[1:])}
}
