//go:build e2e

// Package faults makes faults for real and counts what is lost:
//
//	go test -tags e2e ./test/faults
package faults

import (
	"fmt"
	"os"
	"testing"
)

// workerEnv names the database that this program is to work on, as the process
// to which the faults happen.
const workerEnv = "MDSERVER_FAULTS_DATABASE"

func TestMain(m *testing.M) {
	if path := os.Getenv(workerEnv); path != "" {
		os.Exit(work(path))
	}
	os.Exit(run(m))
}

// programDir is where the program under test is built.
var programDir string

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mdserver-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programDir = dir
	defer results.print()
	return m.Run()
}
