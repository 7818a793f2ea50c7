package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"mdserver/internal/account"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
)

// needsRoom is what a directory of the server's own needs.
const needsRoom = account.Read | account.Write | account.Enter

// checkData sees to what the server must be able to read and write.
func checkData(ctx context.Context, h *Host) []Finding {
	who, err := h.account(ctx)
	if err != nil {
		return []Finding{unknown("the server's user is not known: %v", err)}
	}
	database := h.Config.Server.Database
	dirs := []struct {
		path string
		need fs.FileMode
	}{
		{filepath.Dir(database), needsRoom},
		{database, account.Read | account.Write},
		{h.Config.Server.Identity, account.Read},
		{h.Config.Dnsmasq.BaseDir, needsRoom},
		{h.Config.Dnsmasq.RunDir, needsRoom},
		{h.Config.Server.UserdataDir, account.Read | account.Enter},
		{h.Config.Server.DefaultTemplate, account.Read},
		{h.ConfigFile, account.Read},
	}
	var all []Finding
	for _, d := range dirs {
		if d.path == "" {
			continue
		}
		all = append(all, checkPath(who, d.path, d.need)...)
	}
	all = append(all, checkUserdata(who, h.Config.Server.UserdataDir)...)
	all = append(all, exposed(database, h.Config.Server.Identity)...)
	return unless(all, fine("the user %s can read and write all files that the server needs", who.Name))
}

// mostUnreadable bounds the files with user-data that are named.
const mostUnreadable = 5

// checkUserdata finds files with user-data that the server cannot read, such as
// one that root has copied.
func checkUserdata(a account.Account, dir string) []Finding {
	hidden := func(name string) bool { return strings.HasPrefix(name, ".") }
	files := slices.DeleteFunc(a.Unreadable(dir, hidden), func(f account.File) bool { return f.Path == dir }) // checkData tells
	var all []Finding
	for _, f := range files[:min(len(files), mostUnreadable)] {
		all = append(all, refused(a, f.Path, f.Info, f.Need))
	}
	return all
}

// account is that of the running server, else of its unit, else of the
// database's owner, else this process's.
func (h *Host) account(ctx context.Context) (account.Account, error) {
	if h.running() {
		if info, err := os.Stat(fmt.Sprintf("/proc/%d", h.status.PID)); err == nil {
			return account.Of(info.Sys().(*syscall.Stat_t).Uid)
		}
	}
	if name := unitProperty(ctx, unit, "User"); name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return account.Account{}, err
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		return account.Of(uint32(uid))
	}
	return account.Of(uint32(os.Geteuid()))
}

// checkPath finds what the account cannot do with a path, or on the way to it. A
// path that is not there yet is made by the server.
func checkPath(a account.Account, path string, need fs.FileMode) []Finding {
	parent := filepath.Dir(path)
	if parent != path {
		if info, err := os.Stat(parent); err == nil && !a.May(info, account.Enter) {
			return []Finding{refused(a, parent, info, account.Enter)}
		}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrPermission):
		return []Finding{unknown("%s: only root may read it", path)}
	case err != nil:
		return []Finding{wrong("path_unreadable", "%s cannot be read: %v", path, err).
			advise("`%s` shows what it is", command("ls -ld %s", path))}
	case !a.May(info, need):
		return []Finding{refused(a, path, info, need)}
	}
	return nil
}

// refused lists what is missing. The server must own its own files; files that it
// only reads must belong to its group.
func refused(a account.Account, path string, info fs.FileInfo, need fs.FileMode) Finding {
	f := wrong("path_denied", "the user %s cannot use %s, which is %s", a.Name, path, describe(info))
	letters := ""
	for _, right := range []struct {
		bit    fs.FileMode
		letter string
	}{{account.Read, "r"}, {account.Write, "w"}, {account.Enter, "x"}} {
		if need&right.bit != 0 {
			letters += right.letter
		}
	}
	switch {
	case need&account.Write != 0:
		return f.mend(command("chown %s %s", a.Name, path), command("chmod %s %s", "u+"+letters, path))
	case info.Sys().(*syscall.Stat_t).Uid == a.UID:
		return f.mend(command("chmod %s %s", "u+"+letters, path))
	}
	return f.mend(command("chgrp %s %s", a.GID, path), command("chmod %s %s", "g+"+letters, path))
}

func describe(info fs.FileInfo) string {
	owner := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("owned by %s with mode %v", name(owner.Uid), info.Mode())
}

// exposed finds files with secrets that all users may open.
func exposed(paths ...string) []Finding {
	var all []Finding
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil && info.Mode().Perm()&0o007 != 0 {
			all = append(all, wrong("secrets_world_readable", "all users have access to %s, which contains secrets", path).mend(command("chmod 600 %s", path)))
		}
	}
	return all
}

func checkDatabase(ctx context.Context, h *Host) []Finding {
	path := h.Config.Server.Database
	if h.running() {
		return append(setAside(path), fine("the server has %s open", path))
	}
	guests, findings, err := readDatabase(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{fine("%s does not exist yet; the server creates it at its first start", path)}
	case errors.Is(err, fs.ErrPermission):
		return []Finding{unknown("%s: only root can read it", path)}
	case errors.Is(err, boltstore.ErrInUse):
		return []Finding{h.restart(ctx, warning("database_in_use", "%v: it runs, but does not answer on %s", err, h.Config.Server.Socket))}
	case errors.Is(err, boltstore.ErrNewer):
		return []Finding{wrong("database_too_new", "the database cannot be used: %v", err).advise("install that version of mdserver again, or restore a backup of this version: mdserver restore FILE")}
	case err != nil:
		return []Finding{h.restore(wrong("database_unusable", "the database cannot be used: %v", err), path)}
	case len(findings) > 0:
		return []Finding{warning("database_damaged", "%s is damaged in %d places: %v", path, len(findings), findings[0]).
			advise("start the server: it sets aside what is damaged and serves all other guests")}
	}
	return append(setAside(path), fine("%s has %d guests", path, len(guests)))
}

// restore says what there is to do about a database that cannot be used: restore the
// newest snapshot, or begin again if there is none.
func (h *Host) restore(f Finding, path string) Finding {
	if exists(path) {
		f = f.advise("`mdserver database salvage --dry-run` shows what can be saved")
	}
	if snapshot := backup.NewestSound(path); snapshot != "" {
		return f.advise("later registrations are lost; if you have a newer backup, restore that instead").
			mend(h.mdserver("restore --yes %s", snapshot))
	}
	f = f.advise("restore a backup: `mdserver restore FILE`; without a backup, register the guests again; what else the server stored about them is lost")
	if exists(path) {
		f = f.mend(command("mv --backup=numbered %s %s", path, path+".damaged"))
	}
	return f.mend(command("rm -f %s", path+".mark"))
}

// setAside reports records that were damaged or contradicted each other.
func setAside(path string) []Finding {
	var all []Finding
	for _, name := range boltstore.Asides(path) {
		all = append(all, warning("records_set_aside", "damaged records of the database were set aside in %s", name).
			advise("register the guests in it again, then remove the file and run `mdserver reload`"))
	}
	withheld, err := boltstore.Withheld(path)
	if err != nil {
		all = append(all, unknown("%v", err))
	}
	for _, w := range withheld {
		all = append(all, fine("reserved: addresses and host name of %s", w))
	}
	return all
}

// scarce is the part of a network that must be free, in percent.
const scarce = 10

func checkAddresses(ctx context.Context, h *Host) []Finding {
	used, err := h.usedAddresses(ctx)
	if err != nil {
		return []Finding{unknown("the guests' addresses are not known: %v", err)}
	}
	var all []Finding
	for _, n := range h.Networks {
		if n.known() {
			all = append(all, room(n, used[n.Name]))
		}
	}
	return unless(all, unknown("only libvirt knows the networks' addresses"))
}

// room judges how many addresses are left. Those that rest are among them: in
// need they are given out again.
func room(n Network, used int) Finding {
	total, of := size(n), "addresses"
	if n.Leases > 0 && n.Leases < total {
		total, of = n.Leases, "leases of libvirt's DHCP range"
	}
	left := total - used
	f := fine("%s: %d of %d %s are free or in quarantine", n.IPv4, left, total, of)
	switch {
	case left <= 0:
		f = wrong("network_full", "%s is full: %d of %d %s are free or in quarantine", n.IPv4, left, total, of)
	case left*100 < total*scarce:
		f = warning("network_nearly_full", "%s is nearly full: %d of %d %s are free or in quarantine", n.IPv4, left, total, of)
	default:
		return f
	}
	if n.Leases > 0 {
		f = f.advise("enlarge the network's <dhcp> range with `virsh net-edit %s`, and restart the network when no guest runs on it: running guests lose their link", n.Name)
	}
	return f.advise("remove guests that no longer exist with `mdserver instance rm NAME`, or enlarge the network; `mdserver instance ls` lists the guests")
}

// usedAddresses counts IPv4 addresses by network.
func (h *Host) usedAddresses(ctx context.Context) (map[string]int, error) {
	used := map[string]int{}
	for _, n := range h.status.Networks {
		used[n.Name] = n.Used
	}
	if h.running() {
		return used, nil
	}
	guests, err := h.guests(ctx)
	if err != nil {
		return nil, err
	}
	for _, guest := range guests {
		for _, place := range guest.Attachments() {
			if place.IPv4.IsValid() {
				used[cmp.Or(place.Network, h.Networks[0].Name)]++
			}
		}
	}
	return used, nil
}

// size is how many IPv4 addresses guests may have.
func size(n Network) int {
	total := 1 << (32 - n.IPv4.Bits())
	if n.IPv4.Bits() < 31 {
		total -= 2 // the network and its broadcast address
	}
	if n.IPv4.Contains(n.Gateway) {
		total--
	}
	for _, r := range n.Reserved {
		first, last := r.First.As4(), r.Last.As4()
		total -= int(number(last)-number(first)) + 1
	}
	return total
}

func number(a [4]byte) uint32 {
	return uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
}
