//go:build e2e

package fleet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/instance"
)

const (
	hostCount = 5
	// timeEnv and requestsEnv name how long TestFaults lasts at least, 10m if nothing
	// is said, and how many requests it makes at least.
	timeEnv     = "MDSERVER_FLEET_TIME"
	requestsEnv = "MDSERVER_FLEET_REQUESTS"
	// healing is how long all hosts may take until they agree: it is the claim of
	// the documentation, with room for a machine that is busy.
	healing = 15 * time.Second
)

// fleet is several hosts with one inventory.
type fleet struct {
	cluster *etcdtest.Cluster
	servers []*server
	homes   map[stay]string // the ID of the host
}

// stay is the time that a guest has one epoch. No two hosts have it in that time.
type stay struct {
	guest     int
	firstSeen time.Time // it was registered anew if this is another one
	epoch     int64
}

func newFleet(t testing.TB) *fleet {
	t.Helper()
	f := &fleet{homes: map[stay]string{}, cluster: etcdtest.Start(t, etcdtest.Options{Members: 3, Isolated: true, DiskSize: 1 << 30,
		Args: []string{"--snapshot-count=1000", "--max-wals=2", "--max-snapshots=2", "--auto-compaction-mode=revision", "--auto-compaction-retention=1000"}})}
	for i := range hostCount {
		f.servers = append(f.servers, newServer(t, f.cluster, fmt.Sprint("host", i+1)))
	}
	return f
}

// TestFaults makes one or two faults at a time while guests are started, renamed,
// moved and removed on all hosts. After each round all hosts agree, nothing belongs to
// two guests, and what was answered in the round can have happened in some order.
func TestFaults(t *testing.T) {
	lasts, err := time.ParseDuration(cmp.Or(os.Getenv(timeEnv), "10m"))
	must(t, err)
	atLeast, err := strconv.Atoi(cmp.Or(os.Getenv(requestsEnv), "0"))
	must(t, err)
	f := newFleet(t)
	began, now, sum := time.Now(), f.agreed(t), row{fault: "in all"}
	printHead()
	defer func() {
		sum.print()
		fmt.Printf("%d requests in %s\n", sum.requests(), time.Since(began).Round(time.Second))
	}()
	for round := 0; !t.Failed() && (round < len(faults) || time.Since(began) < lasts || sum.requests() < atLeast); round++ {
		r := f.round(t, round, &now)
		r.print()
		sum.add(r)
	}
}

// round makes one fault, each in its turn, and from the second turn on another one
// at the same time.
func (f *fleet) round(t *testing.T, number int, now *map[int]state) row {
	t.Helper()
	one, other := faults[number%len(faults)], fault{}
	name := one.name
	if number >= len(faults) {
		other = one.another()
		name = strings.TrimSuffix(one.name+" and "+other.name, " and ")
	}
	l := startLoad(f.servers, 5*time.Millisecond)
	time.Sleep(300 * time.Millisecond)
	heal := one.harm(f)
	if other.harm != nil {
		heal = all([]func(){heal, other.harm(f)})
	}
	time.Sleep(time.Second + rand.N(3*time.Second))
	heal()
	for _, m := range f.cluster.Members {
		m.WaitUsable()
	}
	time.Sleep(300 * time.Millisecond)
	l.halt()
	healed := time.Now()
	after := f.agreed(t)
	took := time.Since(healed)
	l.history.check(t, *now, after)
	if l.counts.slowest >= patience {
		t.Errorf("%s: a host that runs has not answered within %v", name, patience)
	}
	*now = after
	c := l.counts
	return row{name, c.done, c.unshared, c.unanswered, c.slowest, took}
}

// agreed waits until all hosts have the same guests, and returns them by number.
func (f *fleet) agreed(t *testing.T) map[int]state {
	t.Helper()
	var disagreement string
	for deadline := time.Now().Add(healing); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var first view
		disagreement = ""
		for i, s := range f.servers {
			table, err := s.table()
			if err != nil {
				disagreement = fmt.Sprintf("%s: %v", s.name, err)
				break
			}
			if i == 0 {
				first = table
			} else if diff := first.difference(table); diff != "" {
				disagreement = fmt.Sprintf("%s and %s: %s", f.servers[0].name, s.name, diff)
				break
			}
		}
		if disagreement == "" {
			f.checkHomes(t, first)
			return first.guests
		}
	}
	t.Fatalf("the hosts do not agree after %v: %s", healing, disagreement)
	return nil
}

// checkHomes makes sure that each guest has one host in each epoch.
func (f *fleet) checkHomes(t testing.TB, v view) {
	t.Helper()
	for at, host := range v.homes {
		if before, known := f.homes[at]; known && before != host {
			t.Errorf("guest %d has two hosts in epoch %d, %s and %s", at.guest, at.epoch, before, host)
		}
		f.homes[at] = host
	}
}

// view is what a host knows of the guests, by their numbers.
type view struct {
	guests map[int]state
	homes  map[stay]string
}

func (v view) difference(other view) string {
	for guest := range guestCount {
		if v.guests[guest] != other.guests[guest] {
			return fmt.Sprintf("guest %d is %+v, and %+v", guest, v.guests[guest], other.guests[guest])
		}
	}
	if !maps.Equal(v.homes, other.homes) {
		return "guests have other hosts"
	}
	return ""
}

// table is what a host knows of the guests. It is an error if something belongs to
// two guests, or waits to be shared.
func (s *server) table() (view, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := s.Instances(ctx)
	if err != nil {
		return view{}, err
	}
	numbers := map[string]int{}
	for guest := range guestCount {
		numbers[guestID(guest).String()] = guest
	}
	v, owners := view{map[int]state{}, map[stay]string{}}, map[string]string{}
	for i := range list {
		guest := &list[i]
		for what, value := range map[string]string{"UUID": guest.UUID.String(), "instance-id": guest.ID, "name": guest.Name,
			"host name": guest.Hostname, "MAC address": guest.MAC.String(), "address": guest.IPv4.String()} {
			key := what + " " + value
			if other, taken := owners[key]; taken {
				s.t.Errorf("%s: %s and %s have the %s", s.name, other, guest.Name, key)
			}
			owners[key] = guest.Name
		}
		if guest.ID != instance.DeriveID(guest.UUID) {
			s.t.Errorf("%s: %s has the instance-id %s", s.name, guest.Name, guest.ID)
		}
		if unshared(guest) {
			return view{}, fmt.Errorf("%s is not shared", guest.Name)
		}
		number := numbers[guest.UUID.String()]
		v.guests[number] = stateOf(guest)
		v.homes[stay{number, guest.FirstSeen, guest.Epoch}] = guest.HostID
	}
	return v, nil
}

// row is what happened in one round.
type row struct {
	fault                      string
	done, unshared, unanswered int
	slowest, agreed            time.Duration // agreed: after the fault was over
}

func printHead() {
	fmt.Printf("%-52s %8s %8s %10s %8s %8s\n", "FAULT", "DONE", "UNSHARED", "UNANSWERED", "SLOWEST", "AGREED")
}

func (r row) print() {
	fmt.Printf("%-52s %8d %8d %10d %7.2fs %7.2fs\n", r.fault, r.done, r.unshared, r.unanswered, r.slowest.Seconds(), r.agreed.Seconds())
}

func (r row) requests() int { return r.done + r.unshared + r.unanswered }

func (r *row) add(other row) {
	r.done += other.done
	r.unshared += other.unshared
	r.unanswered += other.unanswered
	r.slowest, r.agreed = max(r.slowest, other.slowest), max(r.agreed, other.agreed)
}
