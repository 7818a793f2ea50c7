//go:build e2e

package e2e

import (
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	awsimds "github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"mdserver/test/lab"
)

// place makes a registered guest's namespace, with its address but no DHCP.
func place(t *testing.T, l *lab.Lab, guest shown) *lab.Guest {
	t.Helper()
	g, err := l.AddGuest(suite.ctx, guest.Name, guest.MAC)
	if err != nil {
		t.Fatal(err)
	}
	useAddress(t, g, guest.IPv4)
	return g
}

func useAddress(t *testing.T, g *lab.Guest, addr netip.Addr) {
	t.Helper()
	if err := g.UseAddress(suite.ctx, addr); err != nil {
		t.Fatal(err)
	}
}

// curl returns the status that curl saw, 000 if there was no answer, and the body.
func curl(t *testing.T, n *lab.Namespace, args ...string) (status, body string) {
	t.Helper()
	out, err := n.Output(suite.ctx, "curl", append([]string{"--silent", "--max-time", "3", "--write-out", "\n%{http_code}"}, args...)...)
	if out == "" {
		t.Fatal(err)
	}
	cut := strings.LastIndexByte(out, '\n')
	return out[cut+1:], out[:cut]
}

const (
	metadataURL = "http://" + lab.MetadataAddr
	ttl60       = "X-aws-ec2-metadata-token-ttl-seconds: 60"
)

func putToken(t *testing.T, n *lab.Namespace) (status, token string) {
	t.Helper()
	return curl(t, n, "--request", "PUT", "--header", ttl60, metadataURL+"/latest/api/token")
}

// reconfigure writes another configuration and has the server read it.
func reconfigure(t *testing.T, l *lab.Lab, s *lab.Server, config lab.Config) {
	t.Helper()
	if err := os.WriteFile(s.ConfigFile, []byte(config.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, s, "reload")
}

// A token reaches the guest but nothing behind it, unless the hop limit allows
// it; all else travels as usual.
func TestTokensTravelNoFurtherThanTheHopLimit(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	config := l.Config()
	s := startServer(t, l, config)
	web1 := register(t, s, "web1")
	router, err := l.AddGuest(suite.ctx, "web1", web1.MAC)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := router.AddInner(suite.ctx, "inner", web1.IPv4, netip.MustParseAddr("10.122.200.200"))
	if err != nil {
		t.Fatal(err)
	}
	status, body := curl(t, inner, metadataURL+"/latest/meta-data/instance-id")
	equal(t, "a read from behind the guest", status+" "+body, "200 "+web1.InstanceID)
	status, _ = putToken(t, inner)
	equal(t, "the token's status behind the guest with hop limit 1", status, "000")

	reconfigure(t, l, s, config.Set("mdserver", "imds_hop_limit", "2"))
	status, token := putToken(t, inner)
	equal(t, "the token's status behind the guest with hop limit 2", status, "200")
	status, _ = curl(t, inner, "--header", "X-aws-ec2-metadata-token: "+token, metadataURL+"/latest/meta-data/instance-id")
	equal(t, "a read with that token", status, "200")
}

// Tokens as a guest with curl sees them: required, bound to it, good after a
// restart of the server.
func TestRequiredTokens(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "imds", "required"))
	web1, web2 := register(t, s, "web1"), register(t, s, "web2")
	guest1, guest2 := place(t, l, web1), place(t, l, web2)

	const path = metadataURL + "/latest/meta-data/instance-id"
	status, _ := curl(t, guest1.Namespace, path)
	equal(t, "a read without a token", status, "401")
	status, token := putToken(t, guest1.Namespace)
	equal(t, "the token", status, "200")
	header := "X-aws-ec2-metadata-token: " + token
	status, body := curl(t, guest1.Namespace, "--header", header, path)
	equal(t, "a read with a token", status+" "+body, "200 "+web1.InstanceID)
	status, _ = curl(t, guest2.Namespace, "--header", header, path)
	equal(t, "another guest's read with that token", status, "401")
	status, _ = curl(t, guest1.Namespace, metadataURL+"/service/name")
	equal(t, "what asks for no token", status, "200")

	if err := s.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	start(t, s)
	status, _ = curl(t, guest1.Namespace, "--header", header, path)
	equal(t, "a read after a restart", status, "200")
}

// Amazon's own client for Go, which asks for tokens by itself.
func TestAmazonsClient(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"optional", "required", "off"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := startServer(t, l, l.Config().Set("mdserver", "imds", mode))
			web1 := register(t, s, "web1")
			guest := place(t, l, web1)
			client := awsimds.New(awsimds.Options{
				Endpoint: metadataURL, HTTPClient: guest.HTTPClient(netip.Addr{}),
			})
			out, err := client.GetMetadata(suite.ctx, &awsimds.GetMetadataInput{Path: "instance-id"})
			if err != nil {
				t.Fatal(err)
			}
			defer out.Content.Close()
			id, err := io.ReadAll(out.Content)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "the instance-id", string(id), web1.InstanceID)
			data, err := client.GetUserData(suite.ctx, &awsimds.GetUserDataInput{})
			if err != nil {
				t.Fatal(err)
			}
			defer data.Content.Close()
			text, err := io.ReadAll(data.Content)
			if err != nil {
				t.Fatal(err)
			}
			contains(t, "the user-data", string(text), "#cloud-config")
			if tokens := status(t, s).IMDS.Tokens; (tokens > 0) != (mode != "off") {
				t.Errorf("%d tokens were issued in mode %s", tokens, mode)
			}
		})
	}
}

// serverStatus is what `mdserver status --json` tells of those turned away.
type serverStatus struct {
	IMDS    struct{ Tokens, Refused uint64 }
	Refused struct{ Connections, Requests, Interface, MAC, Port, Unknown, Closed uint64 }
}

func status(t *testing.T, s *lab.Server) (st serverStatus) {
	t.Helper()
	if err := json.Unmarshal([]byte(command(t, s, "status", "--json")), &st); err != nil {
		t.Fatal(err)
	}
	return st
}

// A guest that takes another's address does not get its metadata.
func TestVerifyMAC(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "verify_mac", "yes"))
	web1, web2 := register(t, s, "web1"), register(t, s, "web2")
	thief := place(t, l, web2)
	const path = metadataURL + "/latest/meta-data/instance-id"
	code, body := curl(t, thief.Namespace, path)
	equal(t, "a guest with its own address", code+" "+body, "200 "+web2.InstanceID)

	useAddress(t, thief, web1.IPv4)
	code, _ = curl(t, thief.Namespace, path)
	equal(t, "a guest with another's address", code, "403")
	if n := status(t, s).Refused.MAC; n != 1 {
		t.Errorf("%d refusals for the MAC, want 1", n)
	}
	contains(t, "the log", l.Logs(), "the MAC is not", "mac="+web2.MAC, "expected="+web1.MAC)
}

// A guest of another network on the same host gets nothing.
func TestOtherInterfacesAreRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	config := l.Config()
	s := startServer(t, l, config)
	if err := l.AddBridge(suite.ctx, libvirtBridge, "192.168.122.1/24"); err != nil {
		t.Fatal(err)
	}
	stranger, err := l.AddGuestOn(suite.ctx, libvirtBridge, "stranger", libvirtMAC)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range [][]string{
		{"address", "add", "192.168.122.9/24", "dev", "eth0"},
		{"route", "add", "default", "via", "192.168.122.1"},
	} {
		if err := stranger.IP(suite.ctx, step...); err != nil {
			t.Fatal(err)
		}
	}
	const path = metadataURL + "/latest/meta-data/instance-id"
	code, _ := curl(t, stranger.Namespace, path)
	equal(t, "by another bridge", code, "403")
	code, _ = curl(t, l.Host, metadataURL+"/service/configuration")
	equal(t, "from the host itself", code, "200")
	if n := status(t, s).Refused.Interface; n != 1 {
		t.Errorf("%d refusals for the interface, want 1", n)
	}
	reconfigure(t, l, s, config.Set("mdserver", "accept_interfaces", "any"))
	code, _ = curl(t, stranger.Namespace, path)
	equal(t, "by any bridge: an unknown client", code, "400")
}

// A guest is known by its MAC when it asks from a link-local address.
func TestLinkLocalGuest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if err := l.Host.IP(suite.ctx, "address", "add", "fe80::a9fe:a9fe/64", "dev", lab.Bridge, "nodad"); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, l, l.Config().Set("mdserver", "listen_address6", "fe80::a9fe:a9fe").Set("mdserver", "verify_mac", "yes"))
	web1 := register(t, s, "web1")
	guest := place(t, l, web1)
	var code, body string
	deadline := time.Now().Add(20 * time.Second) // duplicate address detection takes its time
	for code != "200" && time.Now().Before(deadline) {
		code, body = curl(t, guest.Namespace, "http://[fe80::a9fe:a9fe%25eth0]/latest/meta-data/instance-id")
	}
	equal(t, "by IPv6", code+" "+body, "200 "+web1.InstanceID)
	code, body = curl(t, guest.Namespace, metadataURL+"/latest/meta-data/instance-id")
	equal(t, "by IPv4", code+" "+body, "200 "+web1.InstanceID)
}
