package boltstore

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// Withheld gives the guests whose records were set aside in the files beside a
// database. An unreadable file is an error, and all others are read.
func Withheld(path string) ([]storage.Withheld, error) {
	var all []storage.Withheld
	var failed error
	for _, name := range Asides(path) {
		aside, err := readAside(name)
		if err != nil {
			failed = err
			continue
		}
		all = append(all, aside.withheld(name)...)
	}
	return all, failed
}

func readAside(name string) (Aside, error) {
	var aside Aside
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &aside)
	}
	if err != nil {
		return aside, fmt.Errorf("read the records that were set aside in %s: %w", name, err)
	}
	return aside, nil
}

func (a Aside) withheld(file string) []storage.Withheld {
	var all []storage.Withheld
	for _, guest := range slices.Concat(a.Instances, a.Former) {
		all = append(all, storage.Withheld{UUID: guest.UUID, ID: guest.ID, Name: guest.Name, Hostname: guest.Hostname, Addrs: guest.Addrs(), File: file})
	}
	for _, f := range a.Findings {
		if w, ok := f.withheld(); ok {
			w.File = file
			all = append(all, w)
		}
	}
	return all
}

// The parts of a damaged record that can be read: the text may be no JSON.
var (
	namePart     = regexp.MustCompile(`"name":"([^"\\]*)"`)
	hostnamePart = regexp.MustCompile(`"hostname":"([^"\\]*)"`)
	addrPart     = regexp.MustCompile(`"(?:ipv4|ipv6)":"([0-9a-fA-F.:]+)"`)
)

// withheld reads what can be read of a damaged record of a guest. Its key, which
// is the UUID, is stored apart from it.
func (f Finding) withheld() (w storage.Withheld, ok bool) {
	if f.Bucket != string(instancesBucket) || len(f.Key) == 0 {
		return w, false
	}
	id, err := uuid.FromBytes(f.Key)
	if err != nil {
		return w, false
	}
	w.UUID = id
	if text, err := unseal(instancesBucket, f.Key, f.Value); err == nil {
		var guest instance.Instance
		if json.Unmarshal(text, &guest) == nil {
			return storage.Withheld{UUID: id, ID: guest.ID, Name: guest.Name, Hostname: guest.Hostname, Addrs: guest.Addrs()}, true
		}
	}
	w.Name, w.Hostname = part(namePart, f.Value), part(hostnamePart, f.Value)
	for _, found := range addrPart.FindAllSubmatch(f.Value, -1) {
		if addr, err := netip.ParseAddr(string(found[1])); err == nil {
			w.Addrs = append(w.Addrs, addr)
		}
	}
	return w, true
}

func part(pattern *regexp.Regexp, value []byte) string {
	if found := pattern.FindSubmatch(value); found != nil {
		return string(found[1])
	}
	return ""
}

// CompleteAsides adds to each file in which a server or a command has set records
// aside the records that a snapshot has of these guests. If records are missing
// that are not known by their keys, it adds all guests of the snapshot that the
// database has no more. It does so once for each file.
func CompleteAsides(path, snapshot string, former, present []instance.Instance) error {
	for _, name := range Asides(path) {
		aside, err := readAside(name)
		if err != nil {
			return err
		}
		if aside.Snapshot != "" || len(aside.Findings) == 0 {
			continue
		}
		aside.Snapshot, aside.Database = snapshot, path
		aside.Former = aside.lost(former, present)
		if err := writeAside(name, aside); err != nil {
			return err
		}
	}
	return nil
}

// lost are the former guests that may be meant by the findings.
func (a Aside) lost(former, present []instance.Instance) (lost []instance.Instance) {
	known, unknown := map[uuid.UUID]bool{}, false
	for _, f := range a.Findings {
		if w, ok := f.withheld(); ok {
			known[w.UUID] = true
		} else if len(f.Key) == 0 && f.Bucket != string(restingBucket) {
			unknown = true
		}
	}
	there := map[uuid.UUID]bool{}
	for _, guest := range present {
		there[guest.UUID] = true
	}
	for _, guest := range former {
		if !there[guest.UUID] && (unknown || known[guest.UUID]) {
			lost = append(lost, guest)
		}
	}
	return lost
}
