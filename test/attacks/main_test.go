//go:build e2e

package attacks

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"mdserver/test/lab"
)

// suite is what all tests share: set once before the first of them.
var suite struct {
	ctx    context.Context // ends on SIGINT, so that every test fails and cleans up
	binary string
	shared map[protection]*shared
}

func TestMain(m *testing.M) {
	if os.Getenv("MDSERVER_SKIP_E2E") == "1" {
		fmt.Println("attacks skipped: MDSERVER_SKIP_E2E=1")
		return
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "8") // most attacks wait for what must not come
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := lab.Check("nft", "setpriv", "bridge"); err != nil {
		fmt.Fprintln(os.Stderr, "attacks cannot be tried:", err)
		fmt.Fprintln(os.Stderr, "MDSERVER_SKIP_E2E=1 skips them")
		return 1
	}
	dir, err := os.MkdirTemp("", "mdserver-attacks-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	suite.ctx = ctx
	if suite.binary, err = lab.Binary(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	suite.shared = map[protection]*shared{plain: {}, secured: {}}
	status := m.Run()
	for _, s := range suite.shared {
		if err := s.close(); err != nil {
			fmt.Fprintln(os.Stderr, "closing a lab:", err)
			status = 1
		}
	}
	return status
}
