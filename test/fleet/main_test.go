//go:build e2e

// Package fleet makes faults around several hosts that share one inventory in etcd,
// while guests are started, renamed, moved and removed on all of them:
//
//	go test -tags e2e ./test/fleet
//
// The members of etcd and the servers are real programs, each in a network namespace
// of its own.
package fleet

import (
	"fmt"
	"os"
	"testing"

	"mdserver/internal/roottest"
)

// program is the server under test.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(programEnv) == "" {
		dir, err := os.MkdirTemp("", "mdserver-fleet-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		built, err := buildWithClock(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if err := os.Setenv(programEnv, built); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	program = os.Getenv(programEnv)
	return roottest.InNamespace(m)
}
