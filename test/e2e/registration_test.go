//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/test/lab"
)

// Users of the host: root and two that are not.
const (
	root   = 0
	nobody = 65534 // dnsmasq runs as this one in the lab
	other  = 1234
)

// smallDomain is the definition of guest number n.
func smallDomain(n int, name, inner string) string {
	return fmt.Sprintf("<domain><name>%s</name><uuid>7e5a544d-d555-4133-a443-%012x</uuid>%s<devices><interface type='network'>"+
		"<mac address='52:54:00:77:%02x:%02x'/><source network='mds'/></interface></devices></domain>", name, n, inner, n>>8, n&255)
}

// curlAs uploads a definition by curl that runs as a user of the host, and
// returns the status and the body.
func curlAs(t *testing.T, l *lab.Lab, uid int, url, xml string) (string, string) {
	t.Helper()
	id := strconv.Itoa(uid)
	cmd := l.Host.Command(suite.ctx, "setpriv", "--reuid", id, "--regid", id, "--clear-groups",
		"curl", "-s", "-g", "--max-time", "20", "-w", "\n%{http_code}", "-d", "@-", url+"/instance-upload")
	cmd.Stdin = strings.NewReader(xml)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl as user %d: %v", uid, err)
	}
	cut := strings.LastIndexByte(string(out), '\n')
	return string(out[cut+1:]), string(out[:cut])
}

// reloadWith changes the configuration of a running server.
func reloadWith(t *testing.T, l *lab.Lab, s *lab.Server, config lab.Config) {
	t.Helper()
	if err := os.WriteFile(s.ConfigFile, []byte(config.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, s, "reload")
}

// Who may upload by TCP is what mdserver.upload says, whichever address of the
// host it is sent to.
func TestWhoMayUpload(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	config := l.Config().Set("mdserver", "listen_address", "::").Set("mdserver", "port", "8080")
	s := startServerAt(t, l, config, "http://127.0.0.1:8080")
	n := 0
	for _, mode := range []struct {
		upload string
		status map[int]string
		reason string
	}{
		{"", map[int]string{root: "200", nobody: "403", other: "403"}, "the sender runs as user"}, // the default
		{"root", map[int]string{root: "200", nobody: "403", other: "403"}, "the sender runs as user"},
		{"socket", map[int]string{root: "403", nobody: "403", other: "403"}, "mdserver.upload is socket"},
		{"local", map[int]string{root: "200", nobody: "200", other: "200"}, ""},
	} {
		if mode.upload != "" {
			reloadWith(t, l, s, config.Set("mdserver", "upload", mode.upload))
		}
		for _, addr := range []string{"127.0.0.1", "[::1]", lab.Gateway, lab.MetadataAddr, "[::ffff:127.0.0.1]"} {
			for uid, want := range mode.status {
				n++
				name := fmt.Sprint("guest", n)
				status, body := curlAs(t, l, uid, "http://"+addr+":8080", smallDomain(n, name, ""))
				what := fmt.Sprintf("upload = %s, user %d, to %s", mode.upload, uid, addr)
				equal(t, what, status, want)
				_, known := list(t, s)[name]
				if known != (want == "200") {
					t.Errorf("%s: registered: %v", what, known)
				}
				if want == "403" {
					contains(t, what, body, "Upload refused", mode.reason, "mdserver instance add")
				}
			}
		}
		runHook(t, l, "web1")
		equal(t, "the guest of the hook", show(t, s, "web1").MAC, "52:54:00:4a:0c:11")
		command(t, s, "instance", "rm", "web1")
	}
	// What tells no secrets stays open to all processes of the host.
	out, err := l.Host.Output(suite.ctx, "setpriv", "--reuid", "65534", "--clear-groups", "curl", "-sf", "http://127.0.0.1:8080/service/configuration")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "the configuration", out, "mdserver.upload=local")
}

// With upload = local, an ordinary user neither changes nor displaces a guest
// that root registered, and its own make way.
func TestLocalUploadsHarmNoOthers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "upload", "local"))
	web1 := register(t, s, "web1")
	const url = "http://" + lab.MetadataAddr
	thief := strings.Replace(domainXML(t, "web1"), web1.UUID, "7e5a544d-d555-4133-a443-000000000001", 1)
	metadata := func(key, value string) string {
		return fmt.Sprintf(`<metadata><m:%s xmlns:m="urn:md_server:domain_metadata">%s</m:%s></metadata>`, key, value, key)
	}
	for what, xml := range map[string]string{
		"its name and MAC": thief,
		"its MAC":          strings.Replace(thief, "<name>web1</name>", "<name>x</name>", 1),
		"its UUID":         domainXML(t, "web1"),
		"its name":         smallDomain(1, "web1", ""),
		"its address":      smallDomain(1, "x", metadata("ipv4", web1.IPv4.String())),
		"its host name":    smallDomain(1, "x", metadata("hostname", "web1")),
		"a foreign domain": smallDomain(1, "x", metadata("hostname", "www.example.org")),
	} {
		if status, body := curlAs(t, l, nobody, url, xml); status != "409" && status != "400" {
			t.Errorf("an upload of %s is answered with %s: %s", what, status, body)
		}
	}
	equal(t, "web1", fmt.Sprint(show(t, s, "web1")), fmt.Sprint(web1))
	if status, body := curlAs(t, l, nobody, url, smallDomain(2, "mine", metadata("ipv4", "10.122.0.77"))); status != "200" {
		t.Fatalf("an upload: %s %s", status, body)
	}
	// The hook's agent is believed on the control socket alone.
	cmd := l.Host.Command(suite.ctx, "setpriv", "--reuid", "65534", "--clear-groups", "curl", "-s", "-A", "mdserver-hook", "-w", "%{http_code}", "-d", "@-", url+"/instance-upload")
	cmd.Stdin = strings.NewReader(smallDomain(3, "web1", ""))
	if out, err := cmd.Output(); err != nil || !strings.HasSuffix(string(out), "409") {
		t.Errorf("an upload in the name of the hook: %s (%v)", out, err)
	}
	if status, body := curlAs(t, l, root, url, smallDomain(4, "real", metadata("ipv4", "10.122.0.77"))); status != "200" {
		t.Errorf("root's upload: %s %s", status, body)
	}
	equal(t, "the address", show(t, s, "real").IPv4.String(), "10.122.0.77")
	if _, there := list(t, s)["mine"]; there {
		t.Error("the ordinary user's guest keeps root's from its address")
	}
}

// startServerAt is startServer for a server that is not asked at its listen
// address.
func startServerAt(t *testing.T, l *lab.Lab, config lab.Config, url string) *lab.Server {
	t.Helper()
	if _, err := l.NewServer(suite.binary, config); err != nil {
		t.Fatal(err)
	}
	s := l.ServerFor(suite.binary, l.Path("mdserver.conf"), url)
	start(t, s)
	return s
}

// costly are definitions of nearly 1 MB that cost as much as they can.
func costly() []string {
	const size = 1<<20 - 2000
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	return []string{
		smallDomain(1, "x", "<metadata>"+fill("<a/>")+"</metadata>"),
		smallDomain(2, "x", "<a "+fill(`b="" `)+"/>"),
		smallDomain(3, "x", fill("<a>")),
		smallDomain(4, "x", `<metadata><m:x xmlns:m="urn:md_server:domain_metadata">`+fill("<m:a>b</m:a>")+"</m:x></metadata>"),
		smallDomain(5, "valid", "<description>"+fill("a &amp; b ")+"</description>"),
		"<domain><devices>" + fill("<disk/>") + "</devices></domain>",
	}
}

// A hundred uploads of 1 MB at once take little memory, and neither they nor
// slow ones hold up the hook.
func TestFloodOfUploads(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	client := l.Host.HTTPClient(netip.Addr{})
	client.Timeout = 30 * time.Second
	bodies := costly()
	ctx, stop := context.WithCancel(suite.ctx)
	var flood sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for i := range 100 {
		flood.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, metadataURL+"/instance-upload", strings.NewReader(bodies[i%len(bodies)]))
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body)
			mu.Lock()
			defer mu.Unlock()
			answers[resp.StatusCode]++
		})
	}
	defer stop()
	for i := range 5 {
		cmd := l.Host.Command(suite.ctx, suite.binary, "hook", "x", "prepare", "begin", "-")
		cmd.Env = append(os.Environ(), "MDSERVER_SOCKET="+l.SocketPath())
		cmd.Stdin = strings.NewReader(smallDomain(100+i, fmt.Sprint("hooked", i), ""))
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("the hook during the flood: %v %s", err, out)
		}
	}
	flood.Wait()
	peak := peakMemory(t, s.Pid())
	t.Logf("answers %v, peak of memory %d MB", answers, peak>>20)
	for i := range 5 {
		show(t, s, fmt.Sprint("hooked", i)) // the hook gives up after 1.5 s
	}
	uploadXML(t, s, bodies[4]) // large, and nothing is wrong with it
	show(t, s, "valid")
	if limit := uint64(200 << 20); peak > limit {
		t.Errorf("the flood took %d MB, want at most %d", peak>>20, limit>>20)
	}
	// A busy machine does not get through all of them in time.
	if answers[http.StatusOK]+answers[http.StatusBadRequest]+answers[http.StatusServiceUnavailable] != 100 {
		t.Errorf("answers %v, want 100 of 200, 400 and 503", answers)
	}
}

// A definition that comes slowly holds its place for a short while only.
func TestSlowUploads(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	var slow []net.Conn
	err := l.Host.Do(func() error {
		for range 8 {
			conn, err := net.DialTimeout("tcp", metadataHostPort, 5*time.Second)
			if err != nil {
				return err
			}
			slow = append(slow, conn)
			if _, err := io.WriteString(conn, "POST /instance-upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n<domain>"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range slow {
		defer conn.Close()
	}
	runHook(t, l, "web1")
	show(t, s, "web1")
	status, body, err := s.Upload(suite.ctx, domainXML(t, "web2"))
	if err != nil || status != http.StatusOK {
		t.Errorf("an upload behind slow ones: %d %s %v", status, body, err)
	}
}

// peakMemory is the most memory that a process has had, in bytes.
func peakMemory(t *testing.T, pid int) uint64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kB, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kB << 10
		}
	}
	t.Fatal("the kernel tells no VmHWM")
	return 0
}

// Names that others rely on are in DNS for no guest, whether its domain has the
// name, its metadata asks for it, or its DHCP client says so.
func TestReservedNamesAreInNobodysDNS(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if err := os.WriteFile("/etc/netns/"+l.Host.Name+"/hosts", []byte("127.0.0.1 localhost\n192.0.2.7 nas.example.org nas\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	config := l.Config().Set("dnsmasq", "prefix", "w").Set("dnsmasq", "entry_order", "base,prefix,domain").
		Set("dnsmasq", "serve_hosts", "yes")
	s := startServer(t, l, config)
	register(t, s, "web1")
	names := []string{"wpad", "pad", "isatap", "com", "gateway", "nas", host, "www.google.com", "metadata.google.internal", "localhost.localdomain"}
	for i, name := range names {
		status, body, err := s.Upload(suite.ctx, smallDomain(i+1, name, ""))
		if err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s %v", name, status, body, err)
		}
		guest := show(t, s, name)
		if guest.Hostname == name || !instance.ValidHostname(guest.Hostname) || !guest.IPv4.IsValid() {
			t.Errorf("%s is %+v", name, guest)
		}
		if !strings.Contains(name, ".") {
			contains(t, "the answer to "+name, body, "is not available", guest.Hostname)
		}
	}
	guest, _ := boot(t, l, show(t, s, "wpad"))
	for _, arg := range []string{"hostname:wpad", "0x0c:77706164", "0x51:00000077706164"} { // RFC 2132, 3.14, and RFC 4702
		if out, err := guest.Output(suite.ctx, "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "5", "-T", "1", "-x", arg, "-s", "/bin/true"); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	for _, name := range append(names, "wwpad", "wpad.example.net", "com.example.net", "nas.example.net") {
		if found := lookup(t, guest, lab.Gateway, name); slices.ContainsFunc(found, func(addr string) bool { return strings.HasPrefix(addr, "10.122.") && addr != lab.Gateway }) {
			t.Errorf("in DNS, %s is %v", name, found)
		}
	}
	equal(t, "nas", fmt.Sprint(lookup(t, guest, lab.Gateway, "nas")), "[192.0.2.7]")
	own := show(t, s, "wpad")
	equal(t, "the guest's own name", fmt.Sprint(lookup(t, guest, lab.Gateway, own.Hostname)), fmt.Sprintf("[%s]", own.IPv4))
	reverse, err := guest.Reverse(suite.ctx, own.IPv4.String())
	if err != nil || len(reverse) != 1 || strings.TrimSuffix(reverse[0], ".example.net") != own.Hostname {
		t.Errorf("%s is %v (%v)", own.IPv4, reverse, err)
	}
	// A name that has come into the hosts file since is not given either.
	if err := os.WriteFile("/etc/netns/"+l.Host.Name+"/hosts", []byte("192.0.2.8 printer\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	uploadXML(t, s, smallDomain(50, "printer", ""))
	if got := show(t, s, "printer").Hostname; got == "printer" {
		t.Error("a guest has the name of a machine in the hosts file")
	}
}
