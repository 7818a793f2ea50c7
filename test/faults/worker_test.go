//go:build e2e

package faults

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
)

// cannotOpen is the exit code of a worker that could not open its database.
const cannotOpen = 3

// steps is how many changes a worker makes.
const steps = 24

func openInventory(path string) (*inventory.Inventory, error) {
	store, err := boltstore.Open(path, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return nil, err
	}
	opts := inventory.Options{Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/24")}}, Quarantine: time.Hour}
	return inventory.Open(context.Background(), store, opts)
}

func domain(n int) instance.Domain {
	return instance.Domain{
		Name: fmt.Sprint("g", n), UUID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)),
		Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 0, 0, byte(n)}, Network: "mds"}},
	}
}

// work registers a guest in each step and releases every third again, and
// prints what it was told: "+" and the guest's number for one that is there,
// "-" for one that is not, "?" if that is unknown. At last it prints "=" for
// each guest that its readers see. It ends without closing anything.
func work(path string) int {
	inv, err := openInventory(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return cannotOpen
	}
	registered := map[int]bool{}
	for n := range steps {
		_, err := inv.Register(context.Background(), domain(n))
		report(n, err, "+", "-")
		registered[n] = err == nil
		if n%3 == 2 && registered[n-1] {
			fmt.Println("?", n-1) // the worker may be killed after the release and before it prints that
			_, err := inv.Release(context.Background(), fmt.Sprint("g", n-1))
			report(n-1, err, "-", "+")
		}
	}
	for guest := range inv.Snapshot().All() {
		fmt.Println("=", guest.Name[1:])
	}
	return 0
}

func report(n int, err error, done, failed string) {
	switch {
	case err == nil:
		fmt.Println(done, n)
	case errors.Is(err, storage.ErrUncertain):
		fmt.Println("?", n)
	default:
		fmt.Println(failed, n)
	}
}

// outcome is what a worker was told of its guests, by their number.
type outcome struct {
	told   map[int]string
	seen   map[int]bool // by its readers, at the end
	closed bool         // the worker came to its end
	opened bool         // it could open its database
	log    string
}

// runWorker runs a worker under the command wrap, which may be empty, and ends
// it after so many lines, unless that is 0.
func runWorker(t *testing.T, path string, killAfter int, wrap ...string) outcome {
	t.Helper()
	args := append(wrap, os.Args[0])
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), workerEnv+"="+path)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o := outcome{told: map[int]string{}, seen: map[int]bool{}}
	lines := 0
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		var word string
		var n int
		if _, err := fmt.Sscan(scanner.Text(), &word, &n); err != nil {
			t.Fatalf("the worker printed %q", scanner.Text())
		}
		if word == "=" {
			o.seen[n] = true
		} else {
			o.told[n] = word
		}
		if lines++; lines == killAfter {
			_ = cmd.Process.Kill()
		}
	}
	err = cmd.Wait()
	o.log = log.String()
	var exit *exec.ExitError
	switch {
	case err == nil:
		o.closed, o.opened = true, true
	case killAfter > 0:
		o.opened = true
	case errors.As(err, &exit) && exit.ExitCode() == cannotOpen:
	default:
		t.Fatalf("the worker: %v\n%s", err, o.log)
	}
	return o
}

// verify opens the database without a fault: what a worker was told is so,
// and no two guests have one address. It returns how often that fails, and how
// long opening takes.
func verify(t *testing.T, path string, o outcome) (lost, duplicate int, took time.Duration) {
	t.Helper()
	begin := time.Now()
	inv, err := openInventory(path)
	if err != nil {
		t.Fatalf("the database cannot be opened after the fault: %v\n%s", err, o.log)
	}
	took = time.Since(begin)
	defer inv.Close()
	there := map[int]bool{}
	addrs := map[netip.Addr]string{}
	for guest := range inv.Snapshot().All() {
		var n int
		_, _ = fmt.Sscanf(guest.Name, "g%d", &n)
		there[n] = true
		if other, taken := addrs[guest.IPv4]; taken {
			duplicate++
			t.Errorf("duplicate: %s and %s have %s", guest.Name, other, guest.IPv4)
		}
		addrs[guest.IPv4] = guest.Name
	}
	for n, word := range o.told {
		if word == "+" && !there[n] || word == "-" && there[n] {
			lost++
			t.Errorf("guest %d: told %q, there: %v", n, word, there[n])
		}
		if o.closed && word != "?" && o.seen[n] != there[n] {
			t.Errorf("guest %d: readers saw it: %v, there: %v", n, o.seen[n], there[n])
		}
	}
	if asides := boltstore.Asides(path); len(asides) > 0 {
		t.Errorf("damage: %v", asides)
	}
	t.Logf("told %d, lost %d, back in %v", len(o.told), lost, took)
	return lost, duplicate, took
}
