//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"mdserver/test/lab"
)

const metadataHostPort = lab.MetadataAddr + ":80"

// tricks are paths by which a guest may hope to find what is not its own.
var tricks = []string{
	"/latest/meta-data/../../etc/passwd", "/latest/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd",
	"//etc/passwd", "/latest/user-data/../../../etc/shadow", "/latest/meta-data/%00", "/latest/meta-data/\xff\xfe",
	"/latest/meta-data/public-keys/-1/openssh-key", "/latest/meta-data/public-keys/99999999999999999999/openssh-key",
	"/service/configuration", "/v1/instances", "/v1/status", "/instance-upload", "/debug/pprof/",
	"/latest/meta-data/" + strings.Repeat("a/", 4000), "/" + strings.Repeat("x", 12000),
	"http://127.0.0.1/service/configuration", "*",
}

// While one guest does all it can to hold the server up, another boots: all
// that it asks for is answered, and its secrets stay its own.
func TestHostileGuest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	victim := place(t, l, register(t, s, "web1"))
	attacker := place(t, l, register(t, s, "web2"))

	ctx, stop := context.WithCancel(suite.ctx)
	var attacks sync.WaitGroup
	tried := make(chan struct{})
	attacks.Go(func() { slowLoris(ctx, t, attacker, 10_000, tried) })
	for range 4 {
		attacks.Go(func() { flood(ctx, attacker) })
	}
	defer attacks.Wait()
	defer stop()
	eventually(t, "the attack begins", func(context.Context) error {
		if refused := status(t, s).Refused; refused.Connections == 0 {
			return fmt.Errorf("turned away: %+v", refused)
		}
		return nil
	})

	crawl := []string{
		"meta-data/instance-id", "meta-data/local-hostname", "meta-data/local-ipv4", "meta-data/mac",
		"meta-data/public-keys/0/openssh-key", "user-data",
	}
	client := victim.HTTPClient(netip.Addr{})
	pace := time.NewTicker(100 * time.Millisecond) // a boot is no flood
	defer pace.Stop()
	var slowest time.Duration
	rounds := 0
	for over := false; !over || rounds < 20; rounds++ {
		for _, name := range crawl {
			began := time.Now()
			if status, body := fetch(t, client, "/latest/"+name); status != 200 {
				t.Fatalf("%s during the attack: %d %s", name, status, body)
			}
			slowest = max(slowest, time.Since(began))
		}
		select {
		case <-tried:
			over = true
		default:
		}
		<-pace.C
	}
	t.Logf("%d boots during the attack, the slowest of %d requests took %s", rounds, rounds*len(crawl), slowest)
	if slowest > 5*time.Second {
		t.Errorf("a request took %s during the attack", slowest)
	}
	eventually(t, "the attacker is throttled", func(context.Context) error {
		if refused := status(t, s).Refused; refused.Connections == 0 || refused.Requests == 0 {
			return fmt.Errorf("turned away: %+v", refused)
		}
		return nil
	})
	if log := l.Logs(); strings.Contains(log, "panic") {
		t.Errorf("the server panicked:\n%s", log)
	}
}

// Tricks with paths and headers are refused, and redirected nowhere.
func TestPathAndHeaderTricks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	guest := place(t, l, register(t, s, "web1"))
	for _, path := range tricks {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "CONNECT", "PATCH", "OPTIONS", "TRACE", "FOO"} {
			answer := raw(t, guest, method+" "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			if !strings.HasPrefix(answer, "HTTP/1.1 4") {
				t.Errorf("%s %.60q: %.200q", method, path, answer)
			}
		}
	}
	for name, request := range map[string]string{
		"a huge header":       "GET /latest/ HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"many headers":        "GET /latest/ HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 100_000) + "\r\n",
		"a huge path":         "GET /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"no HTTP":             "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"two lengths":         "POST /latest/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"a length and chunks": "POST /latest/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello",
		"a line break in it":  "GET /latest/\r\n HTTP/1.1\r\nHost: x\r\n\r\n",
		"an upload":           "POST /instance-upload HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 127.0.0.1\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<domain/>",
	} {
		answer := raw(t, guest, request)
		if answer != "" && !strings.HasPrefix(answer, "HTTP/1.1 4") && !strings.HasPrefix(answer, "HTTP/1.1 501") {
			t.Errorf("%s: %.200q", name, answer)
		}
	}
	get(t, guest, "/latest/meta-data/instance-id") // it serves on
}

// raw sends bytes and returns what came back before the connection was closed;
// nothing if it was cut.
func raw(t *testing.T, g *lab.Guest, request string) string {
	t.Helper()
	var conn net.Conn
	err := g.Do(func() (err error) {
		conn, err = net.DialTimeout("tcp", metadataHostPort, 10*time.Second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, request) // the server may hang up half way
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func fetch(t *testing.T, client *http.Client, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(suite.ctx, http.MethodGet, metadataURL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// slowLoris opens connections, half of a request each, and holds what it is
// let have. When it has tried often enough, it says so.
func slowLoris(ctx context.Context, t *testing.T, g *lab.Guest, tries int, tried chan<- struct{}) {
	defer close(tried)
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			_ = conn.Close()
		}
	}()
	err := g.Do(func() error {
		for range tries {
			if ctx.Err() != nil {
				return nil
			}
			conn, err := net.DialTimeout("tcp", metadataHostPort, 5*time.Second)
			if err != nil {
				continue // cut off already
			}
			if _, err := io.WriteString(conn, "GET /latest/ HTTP/1.1\r\nX-Slow: "); err != nil {
				_ = conn.Close()
				continue
			}
			if held = append(held, conn); len(held) > 500 {
				_ = held[0].Close()
				held = held[1:]
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// flood asks as fast as it can.
func flood(ctx context.Context, g *lab.Guest) {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			doErr := g.Do(func() error {
				conn, err = (&net.Dialer{}).DialContext(ctx, network, addr)
				return err
			})
			return conn, doErr
		},
	}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, metadataURL+"/latest/user-data", nil)
		if err != nil {
			return
		}
		if resp, err := client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
}
