package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	libvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/network/entries"
	"mdserver/internal/shell"
)

// notePrefix begins the keys of the notes that say which entries of a libvirt
// network are mdserver's. The network's name follows.
const notePrefix = "libvirt_network/"

// EntryNotes picks the notes that Withdraw needs from all of a store's notes. It
// returns them by the name of their network.
func EntryNotes(all map[string]string) map[string]string {
	notes := map[string]string{}
	for key, text := range all {
		if name, found := strings.CutPrefix(key, notePrefix); found {
			notes[name] = text
		}
	}
	return notes
}

// Withdrawal is what became of mdserver's entries in a network.
type Withdrawal struct {
	Network  string
	Removed  int      // entries that are gone
	Problems []string // why others are not
	Commands []string // that remove the others
}

// Withdraw removes mdserver's entries from a libvirt network, for a host
// without mdserver. The note is the one that a Service left for the network.
// A network that libvirt does not have needs nothing.
func Withdraw(ctx context.Context, e connection.Endpoint, name, note string) Withdrawal {
	w := Withdrawal{Network: name}
	var ours []entries.Entry
	if err := json.Unmarshal([]byte(note), &ours); err != nil {
		w.fail(fmt.Errorf("the note of the network's entries: %w", err))
		return w
	}
	if len(ours) == 0 {
		return w
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if err := w.remove(ctx, e, ours); err != nil {
		w.fail(err)
		for _, s := range removals(ours) {
			w.command(e, s, "--live --config")
		}
	}
	return w
}

func (w *Withdrawal) fail(err error) { w.Problems = append(w.Problems, err.Error()) }

// command adds the one that carries out a step by hand.
func (w *Withdrawal) command(e connection.Endpoint, s entries.Step, options string) {
	section := "dns-host"
	if s.DHCP != nil {
		section = "ip-dhcp-host"
	}
	w.Commands = append(w.Commands, fmt.Sprintf("virsh --connect %s net-update %s delete %s %s %s",
		shell.Quote(e.URI(connection.Network)), shell.Quote(w.Network), section, shell.Quote(s.XML()), options))
}

// remove removes what the network still has of mdserver's entries.
func (w *Withdrawal) remove(ctx context.Context, e connection.Endpoint, ours []entries.Entry) error {
	conn, err := connection.Dial(ctx, e, connection.Network)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := client{conn, w.Network}
	now, err := c.read(ctx)
	if answer, answered := errors.AsType[libvirt.Error](err); answered && answer.Code == uint32(libvirt.ErrNoNetwork) {
		return nil
	}
	if err != nil {
		return err
	}
	removed := map[string]bool{}
	for _, side := range now.sides() {
		steps := entries.MakePlan(side.is, nil, ours).Steps
		refused, err := c.update(ctx, now, steps, side.flag)
		if err != nil {
			return err
		}
		for _, s := range steps {
			removed[s.XML()] = true
		}
		for _, r := range refused {
			delete(removed, r.step.XML())
			w.Problems = append(w.Problems, r.String())
			w.command(e, r.step, side.name)
		}
	}
	w.Removed = len(removed)
	return nil
}

// removals are the steps that remove entries, even if it is not known whether the
// network has them.
func removals(ours []entries.Entry) []entries.Step {
	var steps []entries.Step
	for _, e := range ours {
		if !e.MAC.IsZero() {
			host := e.DHCP()
			steps = append(steps, entries.Step{Remove: true, DHCP: &host})
		}
		if len(e.Names) > 0 {
			steps = append(steps, entries.Step{Remove: true, DNS: &entries.DNSHost{IP: e.IP}})
		}
	}
	return steps
}
