package dnsmasq

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"mdserver/internal/dnsmasq/content"
)

// account is a user of this host with its own group. Further groups that it may
// be a member of are not meant.
type account struct {
	name, group string
	uid, gid    uint32
}

// lookup finds the user that dnsmasq runs as. It is nil if there is none.
func lookup(name string) *account { return accountOf(user.Lookup(name)) }

func lookupID(uid int) *account { return accountOf(user.LookupId(strconv.Itoa(uid))) }

func accountOf(u *user.User, err error) *account {
	if err != nil {
		return nil
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	g, errGroup := user.LookupGroupId(u.Gid)
	if errors.Join(errUID, errGID, errGroup) != nil || !content.PlainText(g.Name) {
		return nil
	}
	return &account{name: u.Username, group: g.Name, uid: uint32(uid), gid: uint32(gid)}
}

// Rights on a file, as the last three bits of its mode have them.
const (
	mayRead  fs.FileMode = 4
	mayEnter fs.FileMode = 1
)

// ownerOf is the user that owns a file.
func ownerOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

// may reports whether the account has a right on a file.
func (a *account) may(info fs.FileInfo, need fs.FileMode) bool {
	owner := info.Sys().(*syscall.Stat_t)
	mode := info.Mode().Perm()
	switch {
	case a.uid == 0:
		return true
	case owner.Uid == a.uid:
		mode >>= 6
	case owner.Gid == a.gid:
		mode >>= 3
	}
	return mode&need == need
}

// reaches tells why the account cannot enter a directory, if so.
func (a *account) reaches(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !a.may(info, mayEnter) {
			return fmt.Errorf("the user %s cannot enter %s", a.name, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// share lets the account read a directory of mdserver's, and the files that are
// created in it. The account never owns the directory: it could replace files in
// it.
//
// root gives the directory to the account's group. mdserver's own user has no
// right to do so; `mdserver install` has done it in the usual place, and any other
// place is made readable for all users: host names and addresses are no secret.
func (a *account) share(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("sharing dnsmasq's directory: %w", err)
	}
	owner, own := ownerOf(info), uint32(os.Geteuid())
	if own == 0 && a.uid != 0 && (owner == a.uid || !a.may(info, mayRead|mayEnter)) {
		err = errors.Join(os.Chown(dir, 0, int(a.gid)), os.Chmod(dir, 0o750|fs.ModeSetgid))
	} else if owner == own && !a.may(info, mayRead|mayEnter) {
		err = os.Chmod(dir, info.Mode()|mayRead|mayEnter)
	}
	if err != nil {
		return fmt.Errorf("sharing dnsmasq's directory: %w", err)
	}
	return nil
}

// disown takes a directory back that an earlier version gave to the account.
func (a *account) disown(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("taking dnsmasq's directory back: %w", err)
	}
	if os.Geteuid() != 0 || ownerOf(info) != a.uid {
		return nil
	}
	if err := os.Chown(dir, 0, -1); err != nil {
		return fmt.Errorf("taking dnsmasq's directory back: %w", err)
	}
	return nil
}
