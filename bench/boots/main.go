// Boots measures mdserver with a record of 20 boots of each of 10,000 guests: its
// start, its commands that read the record, and what clients cost that wait while
// guests boot.
//
//	go run ./bench/boots -mdserver bin/mdserver
//	go run ./bench/boots -mdserver bin/mdserver -against /tmp/mdserver-before
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mdserver/internal/client"
)

const (
	guests  = 10_000
	boots   = 20
	waiting = 100 // clients
)

func main() {
	program := flag.String("mdserver", "bin/mdserver", "the server to measure")
	against := flag.String("against", "", "another server, which is measured first with the same record")
	rounds := flag.Int("rounds", 11, "how often each command is run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, *against, *program, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "boots:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, against, program string, rounds int) error {
	dir, err := os.MkdirTemp("", "boots")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := fill(ctx, dir); err != nil {
		return fmt.Errorf("make the record: %w", err)
	}
	info, err := os.Stat(filepath.Join(dir, "boots.db"))
	if err != nil {
		return err
	}
	fmt.Printf("%d guests with %d boots each: boots.db has %d MB\n", guests, boots, info.Size()>>20)
	for _, program := range []string{against, program} {
		if program == "" {
			continue
		}
		fmt.Printf("\n%s\n", program)
		if err := measureOne(ctx, program, dir, rounds); err != nil {
			return err
		}
	}
	return nil
}

func measureOne(ctx context.Context, program, dir string, rounds int) (err error) {
	if err := withoutRecord(ctx, program, dir); err != nil {
		return err
	}
	s, err := started(ctx, program, dir, "the server's start")
	if err != nil {
		return err
	}
	defer func() { err = s.stop(err) }()
	for _, args := range [][]string{
		{"version"}, {"boots", "guest-5000"}, {"boots", "guest-5000", "--json"}, {"wait", "guest-5000", "--for", "registered"}, {"instance", "ls"},
	} {
		took, err := command(ctx, program, dir, rounds, args)
		if err != nil {
			return err
		}
		fmt.Printf("%-50s %s\n", "mdserver "+strings.Join(args, " "), took.Round(100*time.Microsecond))
	}
	return s.measureWaiting(ctx, client.New(filepath.Join(dir, "sock")))
}

// withoutRecord starts and stops a server that has the guests and no record of them.
func withoutRecord(ctx context.Context, program, dir string) error {
	path := filepath.Join(dir, "boots.db")
	if err := os.Rename(path, path+".aside"); err != nil {
		return err
	}
	s, err := started(ctx, program, dir, "the server's start without a record")
	if err != nil {
		return err
	}
	return errors.Join(s.stop(nil), os.Rename(path+".aside", path))
}

// started starts a server, and prints how long it takes until it answers.
func started(ctx context.Context, program, dir, what string) (*server, error) {
	began := time.Now()
	s, err := start(program, dir)
	if err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, s.stop(err)
	}
	took := time.Since(began)
	cpu, err := s.cpu()
	if err != nil {
		return nil, s.stop(err)
	}
	memory, err := s.memory()
	if err != nil {
		return nil, s.stop(err)
	}
	fmt.Printf("%-50s %s, of it %s of processor time; then %d MB of memory\n", what, took.Round(time.Millisecond), cpu.Round(time.Millisecond), memory)
	return s, nil
}

// command is the median time of a command, with the start of its process.
func command(ctx context.Context, program, dir string, rounds int, args []string) (time.Duration, error) {
	var times []time.Duration
	for range rounds {
		began := time.Now()
		cmd := exec.CommandContext(ctx, program, append(args, "--config", filepath.Join(dir, "mdserver.conf"))...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%v: %w\n%s", args, err, out)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
