//go:build e2e

package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/client"
	"mdserver/test/lab"
)

// service is a server in a laboratory of its own, to which faults happen.
type service struct {
	*lab.Lab
	*lab.Server
	t *testing.T
}

func newService(t *testing.T, change func(lab.Config) lab.Config) *service {
	t.Helper()
	l := newLab(t)
	c := l.Config()
	if change != nil {
		c = change(c)
	}
	return serveIn(t, l, c)
}

// newLab makes a laboratory that is closed at the end of the test.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	if err := lab.Check(); err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.Logs())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// serveIn starts a server with a configuration.
func serveIn(t *testing.T, l *lab.Lab, c lab.Config) *service {
	t.Helper()
	server, err := l.NewServer(binary(t), c)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{l, server, t}
	s.start()
	return s
}

func (s *service) start() {
	s.t.Helper()
	if err := s.Start(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// binary is the program under test, built once.
var binary = func() func(t *testing.T) string {
	var once sync.Once
	var path string
	var err error
	return func(t *testing.T) string {
		t.Helper()
		once.Do(func() { path, err = lab.Binary(context.Background(), programDir) })
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
}()

// guestXML is the definition of guest number n.
func guestXML(n int) string {
	return fmt.Sprintf(`<domain type='kvm'><name>guest%d</name><uuid>6e5a544d-d555-4133-a443-%012d</uuid>`+
		`<devices><interface type='network'><source network='mds'/><mac address='52:54:00:00:%02x:%02x'/></interface></devices></domain>`, n, n, n/256, n%256)
}

// dial makes a connection from the host to the server.
func (s *service) dial() net.Conn {
	s.t.Helper()
	var conn net.Conn
	err := s.Host.Do(func() (err error) {
		conn, err = net.DialTimeout("tcp", net.JoinHostPort(lab.MetadataAddr, "80"), 2*time.Second)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestStopIsQuick: no client that asks nothing, or waits for news, holds up a stop.
func TestStopIsQuick(t *testing.T) {
	s := newService(t, nil)
	silent, half, idle := s.dial(), s.dial(), s.dial()
	fmt.Fprint(half, "GET /latest/meta-data/ HTTP/1.1\r\nHost:")
	fmt.Fprint(idle, "GET / HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil {
		t.Fatal(err)
	}
	control := client.New(s.SocketPath())
	now, err := control.Progress(t.Context(), api.ProgressQuery{})
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := control.Progress(t.Context(), api.ProgressQuery{Since: now.Revision, Wait: time.Minute})
		waiting <- err
	}()
	time.Sleep(100 * time.Millisecond) // the query waits
	began := time.Now()
	if err := s.Stop(4 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Errorf("the query for news: %v", err)
	}
	t.Logf("stopped after %s", time.Since(began).Round(time.Millisecond))
	_ = silent
}

// TestStopAnswersUpload stops the server while an upload is on its way.
func TestStopAnswersUpload(t *testing.T) {
	s := newService(t, nil)
	conn := s.dial()
	xml := guestXML(1)
	fmt.Fprintf(conn, "POST /instance-upload HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: %d\r\n\r\n%s", len(xml), xml[:40])
	time.Sleep(100 * time.Millisecond) // the head has come
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond) // longer than a silent client is waited for
	fmt.Fprint(conn, xml[40:])
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the upload is not answered: %v", err)
	}
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Errorf("%s %s", resp.Status, body)
	}
	if err := s.Stop(3 * time.Second); err != nil {
		t.Error(err)
	}
	s.start()
	if !s.knows(1) {
		t.Error("the guest is lost after the restart")
	}
}

// knows reports whether the server knows guest number n.
func (s *service) knows(n int) bool {
	_, err := s.Run(context.Background(), nil, "instance", "show", fmt.Sprint("guest", n))
	return err == nil
}

// TestStopUnderLoad stops a server that is asked by many. Each request is
// answered, or its connection refused, and what was answered is so after a
// restart.
func TestStopUnderLoad(t *testing.T) {
	const askers, most = 16, 200
	s := newService(t, nil)
	var mu sync.Mutex
	var registered []int
	answers, failures := 0, map[string]int{}
	note := func(n, status int, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil && errors.Is(err, syscall.ECONNREFUSED):
		case err != nil || status != http.StatusOK:
			failures[fmt.Sprint(status, " ", err)]++
		case n > 0:
			registered = append(registered, n)
		default:
			answers++
		}
	}
	ctx, end := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	for range askers {
		client := s.Host.HTTPClient(netip.Addr{})
		asking.Go(func() {
			for ctx.Err() == nil {
				resp, err := client.Get("http://" + lab.MetadataAddr + "/latest/")
				if err != nil {
					note(0, 0, err)
					continue
				}
				_ = resp.Body.Close()
				note(0, resp.StatusCode, nil)
			}
		})
	}
	asking.Go(func() {
		for n := 1; n <= most && ctx.Err() == nil; n++ {
			status, _, err := s.Upload(context.Background(), guestXML(n))
			note(n, status, err)
		}
	})
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	err := s.Stop(4 * time.Second)
	took := time.Since(began)
	end()
	asking.Wait()
	if err != nil {
		t.Error(err)
	}
	t.Logf("stopped after %s; %d requests and %d uploads were answered", took.Round(time.Millisecond), answers, len(registered))
	for failure, count := range failures {
		t.Errorf("%d requests were not answered: %s", count, failure)
	}
	s.start()
	for _, n := range registered {
		if !s.knows(n) {
			t.Errorf("guest%d was answered and is lost", n)
		}
	}
}
