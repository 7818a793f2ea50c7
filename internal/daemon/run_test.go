package daemon

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/api"
	"mdserver/internal/client"
	"mdserver/internal/daemon/listen"
	"mdserver/internal/daemon/systemd"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/libvirt/libvirttest"
	"mdserver/internal/logging"
	"mdserver/internal/logtest"
	"mdserver/internal/timeline"
	"mdserver/internal/timeline/archive"
)

// runningServer is a whole server on the loopback interface, with stand-ins for libvirt and
// systemd.
type runningServer struct {
	*Daemon
	t       *testing.T
	file    string // path of the configuration
	text    string // the configuration at first
	at      string // where guests are served
	socket  string
	libvirt *libvirttest.Server
	log     *logtest.Buffer
	systemd *net.UnixConn
	lines   int // number of status lines that systemd has got
	reload  chan os.Signal
	end     context.CancelFunc
	ended   chan error
	close   func() error // closes the server, once
}

// loopbackPort returns a loopback address and port that nothing listens on.
func loopbackPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// shortDir makes a directory with a short path, since paths of sockets have a limit: unix(7).
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// newServer makes a server that is ready to run. sections are added to its configuration.
// begin runs it.
func newServer(t *testing.T, sections ...string) *runningServer {
	t.Helper()
	return newServerAt(t, loopbackPort(t), sections...)
}

// newServerAt does what newServer does for an address and port where guests are served.
func newServerAt(t *testing.T, at netip.AddrPort, sections ...string) *runningServer {
	t.Helper()
	dir := shortDir(t)
	s := &runningServer{
		t: t, file: filepath.Join(dir, "mdserver.conf"), at: at.String(), socket: filepath.Join(dir, "sock"),
		libvirt: libvirttest.New(t), log: &logtest.Buffer{}, reload: make(chan os.Signal), ended: make(chan error, 1),
	}
	s.text = strings.NewReplacer("DIR", dir, "ADDRESS", at.Addr().String(), "PORT", fmt.Sprint(at.Port()), "LIBVIRT", s.libvirt.Socket).Replace(`[mdserver]
database = DIR/mdserver.db
identity = DIR/identity.pem
socket = DIR/sock
logfile = DIR/log
userdata_dir = DIR
listen_address = ADDRESS
port = PORT
request_rate = 0
[libvirt]
uri = qemu+unix:///system?socket=LIBVIRT
[dnsmasq]
run = off
`) + strings.Join(sections, "")
	s.write(s.text)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s.systemd = conn
	t.Setenv("NOTIFY_SOCKET", conn.LocalAddr().String())
	t.Setenv("WATCHDOG_USEC", "")
	cfg := loadFile(t, s.file)
	giveIdentity(t, cfg)
	logs := logging.Open(cfg, s.log)
	t.Cleanup(logs.Close)
	s.Daemon, err = New(t.Context(), cfg, Options{ConfigFile: s.file, Log: logs, Reload: s.reload})
	if err != nil {
		t.Fatal(err)
	}
	s.close = sync.OnceValue(s.Close)
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *runningServer) write(text string) {
	s.t.Helper()
	writeFile(s.t, s.file, text)
}

// begin runs the server until the test ends or end is called, and waits until it serves.
func (s *runningServer) begin() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	s.end = cancel
	go func() {
		s.ended <- s.Run(ctx)
		close(s.ended)
	}()
	s.t.Cleanup(func() {
		cancel()
		<-s.ended
	})
	s.told("READY=1")
	if s.lines == 0 {
		s.t.Error("systemd got no status before the server was ready")
	}
}

// beginWithGuest runs the server with a guest that libvirt runs already, and waits until it
// is known. The function that it returns is the guest's record at that time, nil if it is gone.
func (s *runningServer) beginWithGuest(id uuid.UUID) (record func() *instance.Instance) {
	s.t.Helper()
	s.libvirt.Define(libvirttest.Domain{UUID: id, Name: "web", XML: domainXML(id, "web"), Running: true})
	s.begin()
	record = func() *instance.Instance {
		guest, _ := s.inventory.Snapshot().ByUUID(id)
		return guest
	}
	s.await("libvirt's domain", func() bool { return record() != nil && s.state(record()) == api.Running })
	return record
}

// told waits for a message to systemd, and skips status lines before it.
func (s *runningServer) told(want string) {
	s.t.Helper()
	buf := make([]byte, 4096)
	_ = s.systemd.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		n, err := s.systemd.Read(buf)
		got := string(buf[:n])
		if err == nil && strings.HasPrefix(got, want) {
			return
		}
		if err != nil || !strings.HasPrefix(got, "STATUS=") {
			s.t.Fatalf("systemd got %q, %v; want %q; the log: %s", got, err, want, s.log)
		}
		if s.lines++; !strings.HasPrefix(got, "STATUS=serving ") || !strings.Contains(got, " on "+s.at) {
			s.t.Errorf("systemd got the status %q", got)
		}
	}
}

// await waits until ok returns true, after a goroutine of the server has done its part.
func (s *runningServer) await(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain for %s; the log: %s", what, s.log)
		}
	}
}

// get sends a GET request and returns the status of the answer, or 0 if nothing answers.
func get(address, path string) int {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := c.Get("http://" + address + path)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func domainXML(id uuid.UUID, name string) string {
	return fmt.Sprintf(`<domain type="kvm"><name>%s</name><uuid>%s</uuid><memory>1048576</memory><vcpu>1</vcpu><devices>
<interface type="bridge"><mac address="52:54:00:00:00:%02x"/><source bridge="br-mds"/></interface></devices></domain>`, name, id, id[15])
}

// TestRun checks that a server serves guests, commands, monitoring and libvirt's domains until
// it is stopped.
func TestRun(t *testing.T) {
	monitored := loopbackPort(t)
	s := newServer(t, "[metrics]\nlisten = "+monitored.String()+"\n")
	if s.readiness() == nil {
		t.Error("it is ready before it runs")
	}
	web := uuid.UUID{15: 1}
	s.libvirt.Define(libvirttest.Domain{UUID: web, Name: "web", XML: domainXML(web, "web"), Running: true})
	s.begin()
	if err := s.readiness(); err != nil {
		t.Error(err)
	}
	if code := get(monitored.String(), "/readyz"); code != http.StatusOK {
		t.Errorf("monitoring is answered with %d", code)
	}
	if code := get(s.at, "/"); code != http.StatusOK {
		t.Errorf("this host is answered with %d", code)
	}
	s.await("libvirt's domain", func() bool { _, ok := s.inventory.Snapshot().ByUUID(web); return ok })
	guest, _ := s.inventory.Snapshot().ByUUID(web)
	s.await("that it runs", func() bool { return s.state(guest) == api.Running })
	if status := s.status(); !status.Libvirt.Connected || status.Libvirt.Domains != 1 || status.Guests != 1 {
		t.Errorf("the status is %+v", status)
	}
	if states := s.countGuests(); states[api.Running] != 1 || len(states) != 1 {
		t.Errorf("the guests are %v", states)
	}
	status, err := client.New(s.socket).Status(t.Context())
	if err != nil || status.Guests != 1 || status.Config != s.file {
		t.Errorf("commands get %+v, %v", status, err)
	}
	checkRequestLog(t, s)
	checkRelease(t, s, guest)

	s.end()
	if err := <-s.ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
	s.told("STOPPING=1")
	if s.readiness() == nil {
		t.Error("it is ready after its end")
	}
	if _, err := os.Lstat(s.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the control socket stays: %v", err)
	}
	for _, at := range []string{s.at, monitored.String()} {
		if code := get(at, "/"); code != 0 {
			t.Errorf("%s answers %d after the end", at, code)
		}
	}
	if n := s.libvirt.Connections(); n != 0 {
		s.await("libvirt's connections to end", func() bool { return s.libvirt.Connections() == 0 })
	}
}

// checkRequestLog checks that requests are logged, except the server's own.
func checkRequestLog(t *testing.T, s *runningServer) {
	t.Helper()
	get(s.at, systemd.ProbePath)
	get(s.at, "/"+strings.Repeat("x", 20))
	s.await("the log line of a request", func() bool {
		s.opts.Log.Reload(s.config.Load()) // writes the lines that wait
		return strings.Contains(logFile(s), strings.Repeat("x", 20))
	})
	notFound := regexp.MustCompile(`(?m)^mdserver_http_requests_total\{.*code="4xx".*\} [1-9]`)
	s.await("the count of requests for what is not there", func() bool {
		counted, err := client.New(s.socket).Metrics(t.Context())
		return err == nil && notFound.Match(counted)
	})
	if strings.Contains(logFile(s), systemd.ProbeName) {
		t.Error("the server's own request is logged")
	}
}

// logFile returns the text of the log file.
func logFile(s *runningServer) string {
	text, err := os.ReadFile(s.config.Load().Server.LogFile)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// checkRelease checks that a guest's record and keys are removed with the guest.
func checkRelease(t *testing.T, s *runningServer, guest *instance.Instance) {
	t.Helper()
	s.ssh.Keep(guest.UUID, []ssh.PublicKey{publicKey(t)})
	s.timeline.Request(guest.UUID, timeline.Request{At: time.Now(), Method: "GET", Path: "/", Status: 200})
	if len(s.ssh.Describe(guest).Keys) != 1 || len(s.timeline.Requests.Of(guest.UUID).Recent) == 0 {
		t.Error("the guest has no record before its release")
	}
	revision := s.timeline.Revision()
	s.libvirt.Undefine(guest.UUID)
	s.libvirt.Lifecycle(guest.UUID, golibvirt.DomainEventUndefined, 0)
	s.await("libvirt to have no domain", func() bool { g, ok := s.inventory.Snapshot().ByUUID(guest.UUID); return !ok || s.state(g) == api.Gone })
	if _, err := s.inventory.Release(t.Context(), guest.UUID.String()); err != nil {
		t.Fatal(err)
	}
	s.await("the record to be removed with the guest", func() bool { return len(s.timeline.Requests.Of(guest.UUID).Recent) == 0 })
	s.await("its keys to be removed with it", func() bool { return len(s.ssh.Describe(guest).Keys) == 0 })
	s.await("the release to wake those who wait", func() bool { return s.timeline.Revision() > revision })
}

// publicKey returns a host key.
func publicKey(t *testing.T) ssh.PublicKey {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey()
}

// TestReload checks that a reload applies what can change, warns of what cannot, and refuses a
// file with faults as a whole.
func TestReload(t *testing.T) {
	s := newServer(t)
	s.begin()
	monitored, taken := loopbackPort(t), loopbackPort(t)
	other, err := net.Listen("tcp", taken.String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	before := s.config.Load()

	for name, text := range map[string]string{"empty": "\n", "with a fault": s.text + "[metrics]\nlisten = none of all\n"} {
		s.write(text)
		if _, err := client.New(s.socket).Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "configuration refused") {
			t.Errorf("a file that is %s: %v", name, err)
		}
		s.reload <- syscall.SIGHUP
		s.told("RELOADING=1")
		s.told("READY=1")
		if s.config.Load() != before {
			t.Errorf("the server uses a file that is %s", name)
		}
	}
	s.await("two refusals in the log", func() bool {
		return strings.Count(s.log.String(), "reload refused, the old configuration stays active") == 2
	})

	revision, router, rotated := s.timeline.Revision(), s.router.Load(), before.Server.LogFile+".1"
	if err := os.Rename(before.Server.LogFile, rotated); err != nil {
		t.Fatal(err)
	}
	s.write(strings.Replace(s.text, "[libvirt]", "stuck_after = 7m\nmax_guests = 77\n[libvirt]\nrelease_after = 1h", 1) + "no_such_key = 1\n[metrics]\nlisten = " + monitored.String() + "\n[public-keys]\nalice = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmBsuAE8PiXbqJEQgFxRLPC9SmMjRGw3Zs1m2cE6fWp\n" +
		"[network lan]\ninterface = br-lan\nnet_address = 10.50.0.0\nnet_prefix = 24\ngateway = 10.50.0.1\nown_address = no\nrun = off\n")
	s.reload <- syscall.SIGHUP
	s.told("RELOADING=1")
	s.told("READY=1")
	if code := get(monitored.String(), "/healthz"); code != http.StatusOK {
		t.Errorf("monitoring is answered with %d", code)
	}
	if cfg := s.config.Load(); cfg.Server.StuckAfter != 7*time.Minute || s.stuckAfter() != 7*time.Minute || len(cfg.PublicKeys) != 1 {
		t.Errorf("the configuration is %+v", cfg)
	}
	if s.router.Load() == router {
		t.Error("the router was not replaced")
	}
	if _, err := os.Lstat(before.Server.LogFile); err != nil {
		t.Errorf("the log file is not opened again: %v", err)
	}
	if served := s.networks.Status(); len(served) != 2 || served[1].Network.Name != "lan" || len(s.inventory.Ranges("lan")) == 0 {
		t.Errorf("the networks are %+v; guests on the new one can have %v", served, s.inventory.Ranges("lan"))
	}
	if s.timeline.Revision() <= revision {
		t.Error("a change of stuck_after does not wake those who wait")
	}

	s.write(strings.Replace(s.text, "/mdserver.db", "/elsewhere.db", 1) + "no_such_key = 1\n[metrics]\nlisten = " + taken.String() + "\n")
	done, err := client.New(s.socket).Reload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done.File != s.file || !slices.Contains(done.Changed, "metrics.listen") || !slices.Contains(done.Changed, "mdserver.stuck_after") || !slices.Contains(done.Restart, "mdserver.database") {
		t.Errorf("the reload reports %+v", done)
	}
	if s.config.Load().Server.Database != before.Server.Database {
		t.Error("the database was changed without a restart")
	}
	for _, want := range []string{"no_such_key", "metrics.listen: listen tcp " + taken.String()} {
		if !slices.ContainsFunc(done.Warnings, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("nothing warns of %s: %q", want, done.Warnings)
		}
	}
	if code := get(monitored.String(), "/healthz"); code != 0 {
		t.Errorf("the former address still answers: %d", code)
	}
}

// TestReloadReleases checks that a reload changes how long guests rest that are gone already.
func TestReloadReleases(t *testing.T) {
	s := newServer(t)
	web := uuid.UUID{15: 1}
	guest := s.beginWithGuest(web)
	s.libvirt.Undefine(web)
	s.libvirt.Lifecycle(web, golibvirt.DomainEventUndefined, 0)
	s.await("libvirt to have no domain", func() bool { return s.state(guest()) == api.Gone })
	s.write(strings.Replace(s.text, "[libvirt]", "[libvirt]\nrelease_after = 1s", 1))
	if _, err := client.New(s.socket).Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.await("the release of the guest", func() bool { return guest() == nil })
}

// TestReloadClash checks that a reload is refused if a network of the file clashes with one
// that only a restart changes.
func TestReloadClash(t *testing.T) {
	s := newServer(t)
	s.begin()
	before := s.config.Load()
	s.write(s.text + "net_address = 10.60.0.0\ngateway = 10.60.0.1\n[network lan]\ninterface = br-lan\nnet_address = 10.122.0.0\nrun = off\n")
	if _, err := client.New(s.socket).Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "it needs a restart") {
		t.Errorf("error %v", err)
	}
	if s.config.Load() != before {
		t.Error("the configuration was changed")
	}
}

// TestUpkeepRuns checks that a running server makes a snapshot, restores its database's file
// and gives systemd the number of guests, and that boots are on the disk at its end.
func TestUpkeepRuns(t *testing.T) {
	s := newServer(t)
	if _, err := s.inventory.Register(t.Context(), guestDomain(1, "web")); err != nil {
		t.Fatal(err)
	}
	s.begin()
	s.timeline.Start(uuid.UUID{15: 1}, time.Now(), api.FromHook)
	database := s.config.Load().Server.Database
	s.await("a snapshot", func() bool {
		all, err := backup.Snapshots(database)
		return err == nil && len(all) == 1
	})
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	s.await("the database's file", func() bool { _, err := os.Lstat(database); return err == nil })
	if _, err := s.inventory.Register(t.Context(), guestDomain(2, "db")); err != nil {
		t.Fatal(err)
	}
	s.told("STATUS=serving 2 guests on " + s.at)
	s.end()
	<-s.ended
	written, err := archive.Open(filepath.Join(filepath.Dir(database), "boots.db"), s.Daemon.log)
	if err != nil {
		t.Fatal(err)
	}
	defer written.Close()
	if boots, err := written.Boots(uuid.UUID{15: 1}); err != nil || len(boots) != 1 {
		t.Errorf("the disk has %+v, %v", boots, err)
	}
}

// TestWatchdog checks that a server that works tells so, if systemd's watchdog asks for it.
func TestWatchdog(t *testing.T) {
	s := newServer(t)
	t.Setenv("WATCHDOG_USEC", "200000")
	s.begin()
	s.told("WATCHDOG=1")
}

// TestLibvirtsEventsAreNoted checks that what libvirt reports of a guest is on the record of
// its boots.
func TestLibvirtsEventsAreNoted(t *testing.T) {
	s := newServer(t)
	web := uuid.UUID{15: 1}
	s.beginWithGuest(web)
	s.libvirt.Lifecycle(web, golibvirt.DomainEventStarted, 0)
	s.await("the start on record", func() bool {
		boot, known := s.timeline.Present(web)
		return known && boot.Entries[0].Kind == api.EntryStarted && boot.Entries[0].Source == api.FromLibvirt
	})
}

// TestLibvirtIsLetGo checks that no connection to libvirt remains after the end: neither one
// of a network that libvirt runs, nor one that was made to find a guest's bridge.
func TestLibvirtIsLetGo(t *testing.T) {
	s := newServer(t, "net_name = mds\n", lan)
	s.libvirt.SetNetwork(libvirttest.Network{Name: "lan", Bridge: "virbr7", Active: true, Persistent: true,
		XML: `<network><name>lan</name><bridge name='virbr7'/><ip address='198.51.100.1' netmask='255.255.255.0'/></network>`})
	s.libvirt.SetNetwork(libvirttest.Network{Name: "other", Bridge: "br-mds", Active: true})
	s.begin()
	web := uuid.UUID{15: 1}
	text := strings.NewReplacer(`type="bridge"`, `type="network"`, `bridge="br-mds"`, `network="other"`).Replace(domainXML(web, "web"))
	if err := client.New(s.socket).Upload(t.Context(), []byte(text), "start"); err != nil {
		t.Fatal(err)
	}
	if guest, ok := s.inventory.Snapshot().ByUUID(web); !ok || guest.Network != "mds" {
		t.Errorf("the guest is %+v", guest)
	}
	s.end()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	s.await("the end of libvirt's connections", func() bool { return s.libvirt.Connections() == 0 })
}

// TestListenerFails checks that a listener that fails ends the server with an error.
func TestListenerFails(t *testing.T) {
	s := newServer(t)
	sockets, err := listen.Open(s.config.Load(), s.Daemon.log)
	if err != nil {
		t.Fatal(err)
	}
	defer sockets.Close()
	_ = sockets.Metadata[0].Close()
	if err := s.serve(t.Context(), sockets); err == nil || !strings.Contains(err.Error(), "listener failed") {
		t.Errorf("it ends with %v", err)
	}
	if s.readiness() == nil {
		t.Error("it is ready after its end")
	}
}

// TestAddressIsTaken checks that a server whose address is taken does not run and leaves no
// control socket.
func TestAddressIsTaken(t *testing.T) {
	s := newServer(t)
	other, err := net.Listen("tcp", s.at)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another program listens there already") {
		t.Errorf("it ends with %v", err)
	}
	if _, err := os.Lstat(s.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the control socket stays: %v", err)
	}
}

// TestEndWith checks that a wait for progress ends when the server stops and when the client
// leaves.
func TestEndWith(t *testing.T) {
	for _, who := range []string{"the server", "the client"} {
		stop, stopServer := context.WithCancel(t.Context())
		client, leave := context.WithCancel(t.Context())
		waiting := make(chan struct{})
		ask := endWith(stop, func(ctx context.Context, q api.ProgressQuery) api.Progress {
			close(waiting)
			<-ctx.Done()
			return api.Progress{Revision: q.Since + 1}
		})
		answered := make(chan api.Progress)
		go func() { answered <- ask(client, api.ProgressQuery{Since: 6}) }()
		<-waiting
		if who == "the server" {
			stopServer()
		} else {
			leave()
		}
		if got := <-answered; got.Revision != 7 {
			t.Errorf("%s ends it with %+v", who, got)
		}
		stopServer()
		leave()
	}
}
