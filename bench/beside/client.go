package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// clients is how many ask at once.
const clients = 16

// request is the text of one, with the headers that cloud-init sends.
func request(method, path, headers string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: 169.254.169.254\r\nUser-Agent: Cloud-Init/22.4.2\r\n" +
		"Accept-Encoding: gzip, deflate\r\nAccept: */*\r\n" + headers + "\r\n"
}

func closing(request string) string {
	return strings.TrimSuffix(request, "\r\n") + "Connection: close\r\n\r\n"
}

// dial connects from an address. Such a connection leaves nothing behind in
// the kernel when it is closed, or a benchmark would run out of ports.
func dial(from, addr string) (*net.TCPConn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	return tcp, tcp.SetLinger(0)
}

// once makes a connection for one request, and returns the head and the body
// of a good answer.
func once(from, addr, request string) (head, body []byte, err error) {
	conn, err := dial(from, addr)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, closing(request)); err != nil {
		return nil, nil, err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return nil, nil, err
	}
	head, body, _ = bytes.Cut(answer, []byte("\r\n\r\n"))
	return head, body, good(answer)
}

func good(answer []byte) error {
	if bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		return nil
	}
	return fmt.Errorf("not a good answer: %.200q", answer)
}

// asker sends n requests to an address, one after the other.
type asker func(addr string, n int) error

func newConnections(request string) asker {
	return func(addr string, n int) error {
		for range n {
			if _, _, err := once(victim, addr, request); err != nil {
				return err
			}
		}
		return nil
	}
}

// keptConnection needs the size of an answer: all are of one size.
func keptConnection(request string, size int) asker {
	return func(addr string, n int) error {
		conn, err := dial(victim, addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		buf := make([]byte, size)
		for range n {
			if _, err := io.WriteString(conn, request); err != nil {
				return err
			}
			if _, err := io.ReadFull(conn, buf); err != nil {
				return err
			}
			if err := good(buf); err != nil {
				return err
			}
		}
		return nil
	}
}

// together has all clients ask, each n times.
func together(ask asker, addr string, n int) error {
	failures := make(chan error, clients)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() { failures <- ask(addr, n) })
	}
	all.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}
