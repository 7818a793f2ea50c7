package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/timeline"
	"mdserver/internal/timeline/archive"
)

var quiet = slog.New(slog.DiscardHandler)

func idOf(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "guest %d", n)) }

// addrOf is on the loopback network, so that guests need no bridge.
func addrOf(n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 127<<24|9<<16|uint32(n+10))
	return netip.AddrFrom4(b)
}

// fill makes the database and the record in a directory.
func fill(ctx context.Context, dir string) error {
	return errors.Join(fillInventory(ctx, filepath.Join(dir, "mdserver.db")), fillRecord(filepath.Join(dir, "boots.db")))
}

func fillInventory(ctx context.Context, path string) error {
	store, err := boltstore.Open(path, quiet)
	if err != nil {
		return err
	}
	network := instance.Network{Name: "mds", IPv4: netip.MustParsePrefix("127.9.0.0/16")}
	inv, err := inventory.Open(ctx, store, inventory.Options{Networks: []instance.Network{network}})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	now := time.Now()
	all := make([]instance.Instance, guests)
	for i := range all {
		name := fmt.Sprintf("guest-%d", i)
		all[i] = instance.Instance{
			Name: name, Hostname: name, UUID: idOf(i), Network: network.Name, IPv4: addrOf(i),
			MAC: instance.MAC{0x52, 0x54, 0, 0, byte(i >> 8), byte(i)}, FirstSeen: now, LastUpdate: now,
		}
	}
	_, err = inv.Import(ctx, all)
	return errors.Join(err, inv.Close())
}

func fillRecord(path string) error {
	a, err := archive.Open(path, quiet)
	if err != nil {
		return err
	}
	for n := 1; n <= boots && err == nil; n++ {
		for from := 0; from < guests && err == nil; from += 500 {
			var batch timeline.Batch
			for g := from; g < from+500; g++ {
				batch.Boots = append(batch.Boots, timeline.GuestBoot{Guest: idOf(g), Boot: boot(n)})
			}
			err = a.Write(batch)
		}
	}
	return errors.Join(err, a.Close())
}

// boot is the record of a boot with as many entries as a usual one of Debian.
func boot(number int) api.Boot {
	began := time.Now().Add(time.Duration(number-boots-1) * 24 * time.Hour).UTC()
	at := began
	b := api.Boot{Number: number, Began: began}
	add := func(e api.BootEntry) {
		at = at.Add(250 * time.Millisecond)
		e.At = at
		b.Entries = append(b.Entries, e)
	}
	add(api.BootEntry{Kind: api.EntryStarted, Source: api.FromLibvirt})
	for _, message := range []string{"DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK"} {
		add(api.BootEntry{Kind: api.EntryDHCP, Source: api.FromDnsmasq, Name: message, Detail: "on network mds"})
	}
	for _, kind := range []string{"meta-data", "user-data"} {
		add(api.BootEntry{Kind: api.EntryRequest, Source: api.FromMetadata, Name: kind, Status: 200, Count: 12, Detail: "GET /latest/" + kind})
	}
	for _, stage := range []string{"init-network", "modules-config", "modules-final"} {
		for m := range 11 {
			add(api.BootEntry{Kind: api.EntryStage, Source: api.FromGuest, Name: fmt.Sprintf("%s/config-module_%d", stage, m), Detail: "ran successfully", Result: api.ResultSuccess, Seconds: 0.02})
		}
		add(api.BootEntry{Kind: api.EntryStage, Source: api.FromGuest, Name: stage, Detail: "running modules", Result: api.ResultSuccess, Seconds: 1})
	}
	add(api.BootEntry{Kind: api.EntryStatus, Source: api.FromGuest, Result: api.ResultSuccess})
	b.Last, b.Ended = at, &at
	return b
}
