package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// attackConnections is how many connections the attacker makes in all while it
// is measured, at the least.
const attackConnections = 10_000

// bootPause is between boots: a boot is no flood.
const bootPause = 50 * time.Millisecond

// boot is what a booting guest asks for, more or less.
var boot = []string{
	"/latest/meta-data/instance-id", "/latest/meta-data/", "/latest/meta-data/local-hostname", "/latest/meta-data/hostname",
	"/latest/meta-data/local-ipv4", "/latest/meta-data/mac", "/latest/meta-data/instance-type",
	"/latest/meta-data/placement/availability-zone", "/latest/meta-data/network/interfaces/macs/", "/latest/user-data",
}

// underAttack measures one boot's requests, each with a connection of its own,
// while nothing else happens and while another guest attacks.
func underAttack(ctx context.Context, program string, rounds int) (err error) {
	dir, err := os.MkdirTemp("", "beside")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	md, err := startMdserver(ctx, program, dir, listen, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, md.stop()) }()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintf(table, "a boot's requests\tboots\tmedian\tslowest\tconnections of the attacker\n")
	if err := boots(ctx, table, "quiet", md.addr, rounds, nil); err != nil {
		return err
	}
	return attacked(ctx, table, md.addr, rounds)
}

// attacked measures while a guest holds half-sent requests and floods.
func attacked(ctx context.Context, table *tabwriter.Writer, addr string, rounds int) error {
	var made atomic.Int64
	attack, stop := context.WithCancel(ctx)
	var attacks sync.WaitGroup
	attacks.Go(func() { slowLoris(attack, addr, &made) })
	for range 4 {
		attacks.Go(func() { flood(attack, addr, &made) })
	}
	defer attacks.Wait()
	defer stop()
	return boots(ctx, table, "attacked", addr, rounds, &made)
}

// boots measures at least so many boots, and as many more as the attacker needs
// for its connections.
func boots(ctx context.Context, table *tabwriter.Writer, name, addr string, least int, made *atomic.Int64) error {
	pace := time.NewTicker(bootPause)
	defer pace.Stop()
	var took []float64
	for len(took) < least || made != nil && made.Load() < attackConnections {
		began := time.Now()
		for _, path := range boot {
			if _, _, err := once(victim, addr, request("GET", path, "")); err != nil {
				return fmt.Errorf("%s: %s: %w", name, path, err)
			}
		}
		took = append(took, float64(time.Since(began))/float64(time.Millisecond))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pace.C:
		}
	}
	connections := int64(0)
	if made != nil {
		connections = made.Load()
	}
	_, err := fmt.Fprintf(table, "%s\t%d\t%.1f ms\t%.1f ms\t%d\n", name, len(took), quantile(took, 0.5), quantile(took, 1), connections)
	return err
}

// slowLoris keeps up to 1,000 connections, a half-sent request on each, and
// makes 1,000 a second.
func slowLoris(ctx context.Context, addr string, made *atomic.Int64) {
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
		made.Add(1)
		conn, err := dial(attacker, addr)
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
func flood(ctx context.Context, addr string, made *atomic.Int64) {
	for ctx.Err() == nil {
		made.Add(1)
		_, _, _ = once(attacker, addr, request("GET", "/latest/user-data", ""))
	}
}
