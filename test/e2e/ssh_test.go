//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// sshGuest is a guest with Debian's sshd, which reports its host keys as a guest's
// agent does.
type sshGuest struct {
	*lab.Guest
	t    *testing.T
	dir  string // of its host keys
	user string // the file of the key that may log in
	sshd *lab.Process
}

// newSSHGuest makes host keys for a guest that is up.
func newSSHGuest(t *testing.T, l *lab.Lab, g *lab.Guest, user string) *sshGuest {
	t.Helper()
	dir, err := os.MkdirTemp(l.Path(), "ssh-")
	if err != nil {
		t.Fatal(err)
	}
	guest := &sshGuest{Guest: g, t: t, dir: dir, user: user}
	for _, kind := range []string{"ed25519", "ecdsa"} {
		guest.must("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", guest.key(kind))
	}
	return guest
}

func (g *sshGuest) key(kind string) string { return filepath.Join(g.dir, kind) }

func (g *sshGuest) must(name string, args ...string) string {
	g.t.Helper()
	out, err := g.Output(suite.ctx, name, args...)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// serve starts sshd with the host keys, and with the certificates that there are.
func (g *sshGuest) serve() {
	g.t.Helper()
	if g.sshd != nil {
		g.sshd.Kill()
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // where sshd isolates itself
		g.t.Fatal(err)
	}
	args := []string{"-D", "-e", "-f", "/dev/null", "-o", "AuthorizedKeysFile=" + g.user + ".pub", "-o", "StrictModes=no", "-o", "UsePAM=no", "-o", "PidFile=none"}
	for _, kind := range []string{"ed25519", "ecdsa"} {
		args = append(args, "-o", "HostKey="+g.key(kind))
		if certificate := g.key(kind) + "-cert.pub"; exists(certificate) {
			args = append(args, "-o", "HostCertificate="+certificate)
		}
	}
	var err error
	if g.sshd, err = g.Start("sshd-"+filepath.Base(g.dir), nil, "/usr/sbin/sshd", args...); err != nil {
		g.t.Fatal(err)
	}
	eventually(g.t, "sshd listens", func(ctx context.Context) error {
		return g.Do(func() error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:22")
			if err == nil {
				err = conn.Close()
			}
			return err
		})
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// post reports the host keys from a port, and returns status and answer.
func (g *sshGuest) post(port string) (status, answer string) {
	g.t.Helper()
	var keys []byte
	for _, kind := range []string{"ed25519", "ecdsa"} {
		text, err := os.ReadFile(g.key(kind) + ".pub")
		if err != nil {
			g.t.Fatal(err)
		}
		keys = append(keys, text...)
	}
	file := filepath.Join(g.dir, "keys")
	if err := os.WriteFile(file, keys, 0o600); err != nil {
		g.t.Fatal(err)
	}
	out := g.must("curl", "-sS", "--local-port", port, "--data-binary", "@"+file, "-w", "%{http_code}", metadataURL+"/mdserver/host-keys")
	return out[len(out)-3:], out[:len(out)-3]
}

// report reports the host keys, and has sshd use the certificates.
func (g *sshGuest) report() {
	g.t.Helper()
	status, certificates := g.post("600-1000")
	lines := strings.Split(strings.TrimSpace(certificates), "\n")
	if status != "200" || len(lines) != 2 {
		g.t.Fatalf("the report is answered with %s: %q", status, certificates)
	}
	for i, kind := range []string{"ed25519", "ecdsa"} {
		contains(g.t, "the certificate", lines[i], kind, "-cert-v01@openssh.com ")
		if err := os.WriteFile(g.key(kind)+"-cert.pub", []byte(lines[i]+"\n"), 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
	g.serve()
}

// sshClient connects from the host, in each way that the documentation shows.
type sshClient struct {
	t *testing.T
	l *lab.Lab
	s *lab.Server
	// options are for each way, before the host.
	options []string
}

func (c *sshClient) write(name, text string) string {
	c.t.Helper()
	file, err := c.l.WriteFile(name, text)
	if err != nil {
		c.t.Fatal(err)
	}
	return file
}

// try connects to web1 and returns what ssh says in each way, "hello" if it
// connects.
func (c *sshClient) try(addr netip.Addr) map[string]string {
	c.t.Helper()
	config := c.write("guests.conf", command(c.t, c.s, "ssh-config"))
	trusted := c.write("known_hosts", command(c.t, c.s, "ssh", "ca"))
	listed := c.write("known_hosts_keys", command(c.t, c.s, "known-hosts"))
	only := func(file string) []string {
		return append([]string{"-F", "none", "-o", "UserKnownHostsFile=" + file, "-o", "GlobalKnownHostsFile=none"}, c.options...)
	}
	said := map[string]string{}
	note := func(way string, out string, err error) {
		said[way] = strings.TrimSpace(out)
		if err != nil {
			said[way] = err.Error()
		}
	}
	out, err := c.s.Run(suite.ctx, nil, append([]string{"ssh", "root@web1", "--", "-F", "none"}, append(c.options, "echo", "hello")...)...)
	note("mdserver ssh", out, err)
	for way, args := range map[string][]string{
		"ssh-config":                  append([]string{"-F", config}, append(c.options, "web1")...),
		"ssh-config, by the address":  append([]string{"-F", config}, append(c.options, addr.String())...),
		"certificate, by the address": append(only(trusted), addr.String()),
		"certificate, by the name":    append(only(trusted), "-o", "HostName="+addr.String(), "-o", "HostKeyAlias=web1", "web1"),
		"known_hosts, by the address": append(only(listed), addr.String()),
	} {
		out, err := c.l.Host.Output(suite.ctx, "ssh", append(args, "echo", "hello")...)
		note(way, out, err)
	}
	return said
}

func (c *sshClient) accepted(addr netip.Addr) {
	c.t.Helper()
	for way, said := range c.try(addr) {
		if said != "hello" {
			c.t.Errorf("%s: ssh does not connect: %s", way, said)
		}
	}
}

func (c *sshClient) refused(addr netip.Addr) {
	c.t.Helper()
	for way, said := range c.try(addr) {
		if !strings.Contains(said, "Host key verification failed") {
			c.t.Errorf("%s: ssh says %s", way, said)
		}
	}
}

// ssh accepts a guest that has reported its host keys at the first connection, and
// the guest that replaces it under the same name, and no other machine at its
// address.
func TestSSHKnowsGuests(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "report", "yes").Set("ssh", "host_ca", "yes").Set("ssh", "user", "root"))
	user, _, err := l.NewSSHKey(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := &sshClient{t: t, l: l, s: s, options: []string{"-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10", "-o", "IdentityAgent=none", "-i", user, "-l", "root"}}
	web1, web2 := register(t, s, "web1"), register(t, s, "web2")
	g1, _ := boot(t, l, web1)
	g2, _ := boot(t, l, web2)
	first, neighbour := newSSHGuest(t, l, g1, user), newSSHGuest(t, l, g2, user)
	first.serve()
	c.refused(web1.IPv4)

	if status, answer := first.post("20000-30000"); status != "403" {
		t.Errorf("a report from an unprivileged port is answered with %s: %s", status, answer)
	}
	c.refused(web1.IPv4)
	first.report()
	neighbour.report()
	c.accepted(web1.IPv4)
	if err := s.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	start(t, s)
	c.accepted(web1.IPv4)

	// The neighbour takes the address while the guest is off.
	if err := g1.Remove(suite.ctx); err != nil {
		t.Fatal(err)
	}
	takeAddress(t, l, g2, web1.IPv4)
	c.refused(web1.IPv4)
	if err := g2.IP(suite.ctx, "address", "del", web1.IPv4.String()+"/32", "dev", "eth0"); err != nil {
		t.Fatal(err)
	}

	// Another machine under the old name.
	command(t, s, "instance", "rm", "--yes", "web1")
	const other = "00000000-0000-4000-8000-000000000001"
	uploadXML(t, s, strings.Replace(domainXML(t, "web1"), web1.UUID, other, 1))
	again := show(t, s, "web1")
	equal(t, "the UUID", again.UUID, other)
	g3, _ := boot(t, l, again)
	second := newSSHGuest(t, l, g3, user)
	second.serve()
	c.refused(again.IPv4)
	second.report()
	c.accepted(again.IPv4)
}

// takeAddress has a guest answer for another's address.
func takeAddress(t *testing.T, l *lab.Lab, g *lab.Guest, addr netip.Addr) {
	t.Helper()
	if err := g.IP(suite.ctx, "address", "add", fmt.Sprint(addr, "/32"), "dev", "eth0"); err != nil {
		t.Fatal(err)
	}
	hostIP(t, l, "neigh", "flush", "all")
}
