package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"syscall"
	"testing"

	"mdserver/internal/account"
	"mdserver/internal/config"
	"mdserver/internal/doctor/doctortest"
	"mdserver/internal/doctor/host"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
)

var when = doctortest.When

var errNoAnswer = errors.New("no answer")

// stopped is a host on which nothing answers on the control socket.
func stopped(h *host.Facts) {
	h.Server = host.Server{Err: errNoAnswer, SocketErr: syscall.ECONNREFUSED}
	h.Unit.State = "inactive"
}

// without is stopped on a host without systemd.
func without(h *host.Facts) {
	stopped(h)
	h.Unit.State = ""
}

func TestServer(t *testing.T) {
	denied := func(h *host.Facts) { h.Server = host.Server{Err: errNoAnswer, SocketErr: syscall.EACCES} }
	doctortest.Golden(t, "server", []doctortest.Case{
		when("configuration", Configuration, nil),
		when("configuration: two errors", Configuration, func(h *host.Facts) {
			h.Config, h.ConfigErr = nil, errors.Join(errors.New("line 1: a"), errors.New("line 2: b"))
		}),
		when("configuration: one error", Configuration, func(h *host.Facts) {
			h.Config, h.ConfigErr = nil, errors.New("no such file")
			h.ConfigFile = "/srv/a b.conf"
		}),
		when("configuration: warnings, and a remark", Configuration, func(h *host.Facts) {
			h.ConfigWarnings = []config.Warning{{File: "a.conf", Line: 3, Text: "is odd", Level: slog.LevelWarn}, {Text: "by the way", Level: slog.LevelDebug}}
		}),
		when("configuration: every user may upload", Configuration, func(h *host.Facts) {
			doctortest.Configure(t, h, "[mdserver]\nupload = local\n")
		}),
		when("configuration: every user may upload, and the server does not run", Configuration, func(h *host.Facts) {
			stopped(h)
			doctortest.Configure(t, h, "[mdserver]\nupload = local\n")
		}),
		when("server", Process, nil),
		when("server: no access", Process, denied),
		when("server: the unit is inactive", Process, stopped),
		when("server: the unit is active and does not answer", Process, func(h *host.Facts) { stopped(h); h.Unit.State = "active" }),
		when("server: without systemd", Process, without),
		when("identity", Identity, nil),
		when("identity: MAC addresses are not verified", Identity, func(h *host.Facts) { h.Config.Server.VerifyMAC = "no" }),
		when("identity: an old kernel", Identity, func(h *host.Facts) { h.Server.Status.Identity = "address and neighbour table" }),
		when("identity: an old kernel, and the server has stopped", Identity, func(h *host.Facts) {
			h.Server.Status.Identity, h.Server.Err = "address and neighbour table", errNoAnswer
		}),
		when("clock", Clock, nil),
		when("clock: in a container", Clock, func(h *host.Facts) { h.Clock.Container, h.Clock.Known = true, false }),
		when("clock: not known", Clock, func(h *host.Facts) { h.Clock.Known, h.Clock.Synchronised = false, false }),
		when("clock: not synchronised", Clock, func(h *host.Facts) { h.Clock.Synchronised = false }),
	})
}

func TestUsers(t *testing.T) {
	dnsmasq := func(c host.Credentials) func(*host.Facts) {
		return func(h *host.Facts) { h.Server.Dnsmasq["mds"] = c }
	}
	inGroup := func(h *host.Facts) { h.Server.Process.Groups = []string{"kvm", "libvirt"} }
	doctortest.Golden(t, "users", []doctortest.Case{
		when("kept apart", Users, nil),
		when("the server does not run", Users, stopped),
		when("the process cannot be seen", Users, func(h *host.Facts) { h.Server.ProcessErr = fs.ErrPermission }),
		when("dnsmasq has ended", Users, func(h *host.Facts) { delete(h.Server.Dnsmasq, "mds") }),
		when("dnsmasq has the server's user", Users, dnsmasq(host.Credentials{UID: 998, GID: 997, User: "mdserver"})),
		when("dnsmasq is root", Users, dnsmasq(host.Credentials{UID: 0, GID: 997, User: "root"})),
		when("dnsmasq has the server's group", Users, dnsmasq(host.Credentials{UID: 997, GID: 998})),
		when("dnsmasq has the server's group, which is not named for its user", Users, func(h *host.Facts) {
			h.Server.Process.GID = 990
			dnsmasq(host.Credentials{UID: 997, GID: 990})(h)
		}),
		when("dnsmasq has further groups", Users, dnsmasq(host.Credentials{UID: 997, GID: 997, Groups: []string{"adm", "kvm"}})),
		when("dnsmasq has one further group", Users, dnsmasq(host.Credentials{UID: 997, GID: 997, Groups: []string{"adm"}})),
		when("the server warns", Users, func(h *host.Facts) { h.Server.Status.Networks[0].Dnsmasq.Warning = "no user mdserver-dnsmasq" }),
		when("the server is in the group libvirt", Users, inGroup),
		when("the server is in the group libvirt, without systemd", Users, func(h *host.Facts) { inGroup(h); h.Unit.State = "" }),
		when("the server is in the group libvirt, and edits a network", Users, func(h *host.Facts) { inGroup(h); h.Networks[0].Libvirt = true }),
		when("the server is in the group libvirt, and has a socket of its own", Users, func(h *host.Facts) { inGroup(h); h.Config.Libvirt.URI.Socket = "/srv/sock" }),
		when("the server is root and in the group libvirt", Users, func(h *host.Facts) { inGroup(h); h.Server.Process.UID = 0 }),
	})
}

func TestFiles(t *testing.T) {
	const all = account.Read | account.Write | account.Enter
	dir := host.File{Path: "/var/lib/mdserver", Mode: fs.ModeDir | 0o700, UID: 998, GID: 998, Owner: "mdserver", Group: "mdserver"}
	file := func(path string, mode fs.FileMode) host.File {
		return host.File{Path: path, Mode: mode, Owner: "root", Group: "root"}
	}
	used := func(f host.File, need fs.FileMode) func(*host.Facts) {
		return func(h *host.Facts) { h.Files.Used = []host.Needed{{File: f, Parent: dir, Need: need}} }
	}
	changed := func(f host.File, change func(*host.File)) host.File {
		change(&f)
		return f
	}
	ours := changed(file("/var/lib/mdserver/instances.db", 0o600), func(f *host.File) { f.UID, f.Owner = 998, "mdserver" })
	doctortest.Golden(t, "files", []doctortest.Case{
		when("nothing is used", Files, nil),
		when("the user is not known", Files, func(h *host.Facts) { h.Account.Err = errors.New("unknown user mdserver") }),
		when("all is allowed", Files, used(ours, account.Read|account.Write)),
		when("root's file to write", Files, used(file("/var/lib/mdserver/a b", 0o644), account.Read|account.Write)),
		when("root's directory", Files, used(file("/var/lib/mdserver/dnsmasq", fs.ModeDir|0o755), all)),
		when("root's file to read", Files, used(file("/etc/mdserver/key", 0o640), account.Read)),
		when("root's directory to read", Files, used(file("/etc/mdserver/userdata", fs.ModeDir|0o750), account.Read|account.Enter)),
		when("our file without a right to read", Files, used(changed(ours, func(f *host.File) { f.Mode = 0o200 }), account.Read)),
		when("by the group", Files, used(changed(file("/etc/mdserver/key", 0o640), func(f *host.File) { f.GID = 998 }), account.Read)),
		when("the directory cannot be entered", Files, func(h *host.Facts) {
			h.Files.Used = []host.Needed{{File: file("/srv/x/key", 0o644), Parent: file("/srv/x", fs.ModeDir|0o744), Need: account.Read}}
		}),
		when("the directory is not known", Files, func(h *host.Facts) {
			h.Files.Used = []host.Needed{{File: file("/srv/x/key", 0o644), Parent: host.File{Path: "/srv/x", Err: fs.ErrPermission}, Need: account.Read}}
		}),
		when("the root directory cannot be entered", Files, func(h *host.Facts) {
			root := file("/", fs.ModeDir|0o700)
			h.Files.Used = []host.Needed{{File: root, Parent: root, Need: account.Read}}
		}),
		when("not there yet", Files, used(host.File{Path: "/run/mdserver", Err: fs.ErrNotExist}, all)),
		when("not to be seen", Files, used(host.File{Path: "/run/mdserver", Err: fs.ErrPermission}, all)),
		when("a loop of links", Files, used(host.File{Path: "/run/mdserver", Err: syscall.ELOOP}, all)),
		when("six files of user-data", Files, func(h *host.Facts) {
			for i := range 6 {
				f := file(fmt.Sprintf("/etc/mdserver/userdata/web%d", i), 0o600)
				h.Files.Unreadable = append(h.Files.Unreadable, host.Needed{File: f, Need: account.Read})
			}
		}),
		when("secrets for all", Files, func(h *host.Facts) {
			h.Files.Secret = []host.File{file("/a b", 0o604), file("/c", 0o660), {Path: "/d", Err: fs.ErrNotExist, Mode: 0o777}, file("/e", 0o601)}
		}),
	})
}

func TestDatabase(t *testing.T) {
	failed := func(err error) func(*host.Facts) {
		return func(h *host.Facts) { stopped(h); h.Database.Err = err }
	}
	aside := func(h *host.Facts) {
		h.Database.Asides = []string{"/var/lib/mdserver/instances.db.damaged-1.json"}
		h.Database.Withheld = []storage.Withheld{{Name: "web7", File: "/a"}}
		h.Database.WithheldErr = errors.New("/b: no JSON")
	}
	damaged := errors.New("page 7 is damaged")
	doctortest.Golden(t, "database", []doctortest.Case{
		when("the server runs", Database, nil),
		when("the server runs, and records were set aside", Database, aside),
		when("the server does not run", Database, func(h *host.Facts) { stopped(h); h.Database.Guests = 12 }),
		when("records were set aside", Database, func(h *host.Facts) { stopped(h); aside(h) }),
		when("none yet", Database, failed(fmt.Errorf("opening: %w", fs.ErrNotExist))),
		when("denied", Database, failed(fs.ErrPermission)),
		when("in use", Database, failed(boltstore.ErrInUse)),
		when("newer", Database, failed(boltstore.ErrNewer)),
		when("damaged in places", Database, func(h *host.Facts) {
			stopped(h)
			h.Database.Damage = []boltstore.Finding{{Reason: "page 9 is damaged"}, {Reason: "page 10 is damaged"}}
		}),
		when("damaged in one place", Database, func(h *host.Facts) {
			stopped(h)
			h.Database.Damage = []boltstore.Finding{{Reason: "page 9 is damaged"}}
		}),
		when("not usable, with a snapshot", Database, func(h *host.Facts) {
			failed(damaged)(h)
			h.Database.Exists, h.Database.Snapshot = true, "/var/lib/mdserver/snapshots/1"
			h.ConfigFile = "/srv/mdserver.conf"
		}),
		when("not usable, without a snapshot", Database, func(h *host.Facts) { failed(damaged)(h); h.Database.Exists = true }),
		when("gone, and there is a mark of it", Database, failed(boltstore.ErrMissing)),
	})
}
