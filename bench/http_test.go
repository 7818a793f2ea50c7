package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/internal/admin"
	"mdserver/internal/daemon"
)

// The guests of a whole server live on the loopback network: real TCP, and no
// need for a bridge.
const (
	guestNetwork = "127.9.0.0"
	victim       = "127.9.0.10"
	attacker     = "127.9.0.11"
)

// startDaemon runs the whole server, with its log, and returns where it listens.
func startDaemon(b *testing.B, extra string) string {
	b.Helper()
	dir := b.TempDir()
	listen := fmt.Sprintf("127.%d.%d.1", 20+rand.IntN(200), rand.IntN(255))
	conf := fmt.Sprintf(`[mdserver]
listen_address = %[1]s
port = 8775
socket = %[2]s/sock
db_file = %[2]s/db_file.json
userdata_dir = %[2]s
default_template = %[2]s/base.yaml
logfile = %[2]s/mdserver.log
%[3]s
[dnsmasq]
run = off
base_dir = %[2]s/dnsmasq
run_dir = %[2]s/run
net_address = %[4]s
net_prefix = 24
gateway = 127.9.0.1
`, listen, dir, extra, guestNetwork)
	template := "#cloud-config\nhostname: {{hostname}}\n" + strings.Repeat("# a line of the site's baseline for {{hostname}}\n", 40)
	for name, text := range map[string]string{"base.yaml": template, "mdserver.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- daemon.Run(ctx, daemon.Options{ConfigFile: filepath.Join(dir, "mdserver.conf"), Stdout: io.Discard})
	}()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	client := admin.NewClient(filepath.Join(dir, "sock"))
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := client.Status(ctx)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			b.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for i, addr := range []string{victim, attacker} {
		xml := fmt.Sprintf("<domain><name>guest-%d</name><uuid>%s</uuid>"+
			"<metadata><m:ipv4 xmlns:m='urn:md_server:domain_metadata'>%s</m:ipv4></metadata>"+
			"<devices><interface type='network'><mac address='%s'/><source network='mds'/></interface></devices></domain>",
			i, idOf(i), addr, macOf(i))
		if _, err := client.Register(ctx, []byte(xml)); err != nil {
			b.Fatal(err)
		}
	}
	time.Sleep(150 * time.Millisecond) // until results are kept, see docs/architecture.md
	return net.JoinHostPort(listen, "8775")
}

// startBare runs net/http alone, which answers every request with body.
func startBare(b *testing.B, contentType string, body []byte) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	b.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return listener.Addr().String()
}

// dialFrom connects from an address. Such a connection leaves nothing behind in
// the kernel when it is closed, or a benchmark would run out of ports.
func dialFrom(from, addr string) (*net.TCPConn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	return tcp, tcp.SetLinger(0)
}

// once makes a connection for one request and returns the whole answer.
func once(from, addr, request string) ([]byte, error) {
	conn, err := dialFrom(from, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.Replace(request, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)); err != nil {
		return nil, err
	}
	return io.ReadAll(conn)
}

// split parts an answer that must be a good one into its head and its body.
func split(b *testing.B, answer []byte, err error) (head, body []byte) {
	b.Helper()
	head, body, ok := bytes.Cut(answer, []byte("\r\n\r\n"))
	if err != nil || !ok || !good(answer) {
		b.Fatalf("%v: %.200q", err, answer)
	}
	return head, body
}

func token(b *testing.B, addr string) string {
	b.Helper()
	answer, err := once(victim, addr, "PUT /latest/api/token HTTP/1.1\r\nHost: md\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n")
	_, body := split(b, answer, err)
	return string(body)
}

// BenchmarkHTTP compares the whole server with a bare handler that gives the
// same answer, each request with a connection of its own or 100 on each.
//
//	go test -run '^$' -bench HTTP ./bench
func BenchmarkHTTP(b *testing.B) {
	addr := startDaemon(b, "request_rate = 0\n")
	v2 := "X-aws-ec2-metadata-token: " + token(b, addr) + "\r\n"
	for _, c := range []struct{ name, path, header string }{
		{"instance-id", "/latest/meta-data/instance-id", ""},
		{"instance-id-v2", "/latest/meta-data/instance-id", v2},
		{"user-data", "/latest/user-data", ""},
	} {
		request := "GET " + c.path + " HTTP/1.1\r\nHost: md\r\n" + c.header + "\r\n"
		answer, err := once(victim, addr, request)
		head, body := split(b, answer, err)
		contentType := "text/plain; charset=utf-8"
		if bytes.Contains(head, []byte("octet-stream")) {
			contentType = "application/octet-stream"
		}
		bare := startBare(b, contentType, body)
		b.Run(c.name+"/new", func(b *testing.B) { compare(b, bare, addr, newConnections(request)) })
		b.Run(c.name+"/kept", func(b *testing.B) { compare(b, bare, addr, keptConnections(request, len(answer))) })
	}
}

// clients is how many ask at once.
const clients = 16

// asker sends n requests to an address, one after the other.
type asker func(addr string, n int) error

// compare has both servers answer in turns, so that whatever else the machine
// does meets both alike, and reports mdserver's cost as a multiple of the bare
// one's: "time" by the clock and "cpu" by the processor, clients included.
func compare(b *testing.B, bare, whole string, ask asker) {
	const batch = 100
	var spent [2]cost
	for b.Loop() {
		for i, addr := range []string{bare, whole} {
			before := now()
			var all sync.WaitGroup
			for range clients {
				all.Go(func() {
					if err := ask(addr, batch); err != nil {
						b.Error(err)
					}
				})
			}
			all.Wait()
			spent[i] = spent[i].plus(now().minus(before))
		}
	}
	requests := float64(b.N * clients * batch)
	b.ReportMetric(float64(spent[0].cpu)/requests, "bare-cpu-ns/req")
	b.ReportMetric(float64(spent[1].cpu)/requests, "cpu-ns/req")
	b.ReportMetric(float64(spent[1].cpu)/float64(spent[0].cpu), "×cpu")
	b.ReportMetric(float64(spent[1].time)/float64(spent[0].time), "×time")
	b.ReportMetric(0, "ns/op")
}

// cost is what a piece of work took, by the clock and by the processor.
type cost struct{ time, cpu time.Duration }

func (c cost) plus(d cost) cost  { return cost{c.time + d.time, c.cpu + d.cpu} }
func (c cost) minus(d cost) cost { return cost{c.time - d.time, c.cpu - d.cpu} }

var started = time.Now()

func now() cost {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return cost{time.Since(started), time.Duration(usage.Utime.Nano() + usage.Stime.Nano())}
}

func newConnections(request string) asker {
	return func(addr string, n int) error {
		for range n {
			if answer, err := once(victim, addr, request); err != nil || !good(answer) {
				return fmt.Errorf("%w: %.200q", err, answer)
			}
		}
		return nil
	}
}

// keptConnections needs the size of an answer with "Connection: close": all
// are of one size.
func keptConnections(request string, size int) asker {
	size -= len("Connection: close\r\n")
	return func(addr string, n int) error {
		conn, err := dialFrom(victim, addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		buf := make([]byte, size)
		for range n {
			if _, err := io.WriteString(conn, request); err != nil {
				return err
			}
			if _, err := io.ReadFull(conn, buf); err != nil || !good(buf) {
				return fmt.Errorf("%w: %.200q", err, buf)
			}
		}
		return nil
	}
}

func good(answer []byte) bool { return bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) }
