//go:build e2e

package e2e

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/test/lab"
)

// boots is what `mdserver boots NAME --json` tells.
func boots(t *testing.T, s *lab.Server, name string) []api.Boot {
	t.Helper()
	var all []api.Boot
	if err := json.Unmarshal([]byte(command(t, s, "boots", name, "--json")), &all); err != nil {
		t.Fatalf("boots %s --json: %v", name, err)
	}
	return all
}

// waitFor runs `mdserver wait` in the background. The function that it returns waits
// for its end, and fails the test unless it has succeeded.
func waitFor(t *testing.T, s *lab.Server, args ...string) func() {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := s.Run(suite.ctx, nil, append([]string{"wait", "--timeout", "60s"}, args...)...)
		done <- err
	}()
	return func() {
		t.Helper()
		if err := <-done; err != nil {
			t.Errorf("wait %s: %v", strings.Join(args, " "), err)
		}
	}
}

// The record of a guest's boots has what happened, also over a restart of the
// server, and who waits for a guest is told at once.
func TestBoots(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	template := func(text string) string {
		path, err := l.WriteFile("userdata/web1.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	template("#cloud-config\nruncmd: [old]\n")
	registered, leased, read := waitFor(t, s, "web1", "--for", "registered"), waitFor(t, s, "web1", "--for", "lease"), waitFor(t, s, "web1", "--for", "metadata")
	runHook(t, l, "web1")
	registered()
	guest, lease := boot(t, l, show(t, s, "web1"))
	leased()
	for _, path := range []string{"/latest/meta-data/", "/latest/user-data"} {
		get(t, guest, path)
	}
	read()

	all := boots(t, s, "web1")
	if len(all) != 1 || all[0].Verdict.State != api.Booting || all[0].Verdict.Phase != "user-data" {
		t.Fatalf("after the first boot: %+v", all)
	}
	var kinds []string
	for _, e := range all[0].Entries {
		kinds = append(kinds, strings.TrimSpace(string(e.Kind)+" "+e.Name))
	}
	equal(t, "what happened", strings.Join(kinds, ", "),
		"started, dhcp DHCPDISCOVER, dhcp DHCPOFFER, dhcp DHCPREQUEST, dhcp DHCPACK, request ec2 metadata, request user-data")

	// The next boot has other user-data, which is compared with that before.
	if err := s.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(suite.ctx); err != nil {
		t.Fatal(err)
	}
	template("#cloud-config\nruncmd: [new]\n")
	runHook(t, l, "web1")
	get(t, guest, "/latest/user-data")
	equal(t, "the user-data of the boot before", command(t, s, "user-data", "web1", "--boot", "-1"), "#cloud-config\nruncmd: [old]\n")
	contains(t, "the difference", command(t, s, "user-data", "diff", "web1"), "-runcmd: [old]", "+runcmd: [new]")

	// A template that fails makes the boot fail, with its line.
	path := template("#cloud-config\nruncmd: [{{ nobody }}]\n")
	runHook(t, l, "web1")
	if _, err := guest.Output(suite.ctx, "curl", "-s", "http://"+lab.MetadataAddr+"/latest/user-data"); err != nil {
		t.Fatal(err)
	}
	all = boots(t, s, "web1")
	v := all[len(all)-1].Verdict
	if len(all) != 3 || v.State != api.Failed || v.Template == nil || v.Template.Name != path || v.Template.Line != 2 {
		t.Errorf("%d boots, the last: %+v, line %+v", len(all), v, v.Template)
	}
	if _, err := s.Run(suite.ctx, nil, "wait", "web1", "--timeout", "30s"); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("waiting for a boot that failed: %v", err)
	}

	answered := waitFor(t, s, "web1", "--for", "ssh")
	serveBanner(t, guest, lease)
	answered()
}

// serveBanner answers at the guest's ssh port as an ssh server does at first.
func serveBanner(t *testing.T, guest *lab.Guest, lease lab.Lease) {
	t.Helper()
	var l net.Listener
	if err := guest.Do(func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(lease.IP.String(), "22"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("SSH-2.0-test\r\n"))
			_ = conn.Close()
		}
	}()
}
