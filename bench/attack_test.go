package bench

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// crawl is what a booting guest asks for, more or less.
var crawl = []string{
	"/latest/meta-data/instance-id", "/latest/meta-data/", "/latest/meta-data/local-hostname", "/latest/meta-data/hostname",
	"/latest/meta-data/local-ipv4", "/latest/meta-data/mac", "/latest/meta-data/instance-type",
	"/latest/meta-data/placement/availability-zone", "/latest/meta-data/network/interfaces/macs/", "/latest/user-data",
}

// BenchmarkBoot is the time of one boot's requests, each with a connection of
// its own, while nothing else happens and while another guest attacks: it holds
// half-sent requests, makes 1,000 connections a second, and floods.
func BenchmarkBoot(b *testing.B) {
	boot := func(b *testing.B, addr string) {
		pace := time.NewTicker(50 * time.Millisecond) // a boot is no flood
		defer pace.Stop()
		var spent, slowest time.Duration
		for b.Loop() {
			began := time.Now()
			for _, path := range crawl {
				answer, err := once(victim, addr, "GET "+path+" HTTP/1.1\r\nHost: md\r\n\r\n")
				split(b, answer, err)
			}
			took := time.Since(began)
			spent, slowest = spent+took, max(slowest, took)
			<-pace.C
		}
		b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "µs/boot")
		b.ReportMetric(float64(slowest.Microseconds()), "µs/slowest-boot")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("quiet", func(b *testing.B) { boot(b, startDaemon(b, "")) })
	b.Run("attacked", func(b *testing.B) {
		addr := startDaemon(b, "")
		ctx, stop := context.WithCancel(b.Context())
		var attacks sync.WaitGroup
		attacks.Go(func() { slowLoris(ctx, addr) })
		for range 4 {
			attacks.Go(func() { flood(ctx, addr) })
		}
		defer attacks.Wait()
		defer stop()
		boot(b, addr)
	})
}

// slowLoris keeps up to 1,000 connections, a half-sent request on each.
func slowLoris(ctx context.Context, addr string) {
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			_ = conn.Close()
		}
	}()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		<-pace.C
		conn, err := dialFrom(attacker, addr)
		if err != nil {
			continue // cut off at once
		}
		_, _ = io.WriteString(conn, "GET /latest/ HTTP/1.1\r\nX-Slow: ")
		if held = append(held, conn); len(held) > 1000 {
			_ = held[0].Close()
			held = held[1:]
		}
	}
}

// flood asks as fast as it is answered.
func flood(ctx context.Context, addr string) {
	for ctx.Err() == nil {
		_, _ = once(attacker, addr, "GET /latest/user-data HTTP/1.1\r\nHost: md\r\n\r\n")
	}
}
