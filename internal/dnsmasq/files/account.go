package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"mdserver/internal/account"
	"mdserver/internal/dnsmasq/content"
)

// Account is a user of this host with its own group. Further groups that it may
// be a member of do not count.
type Account struct {
	account.Account
	Group string
}

// Lookup finds the user that dnsmasq runs as. It returns nil if this host has no such
// user.
func Lookup(name string) *Account { return accountOf(user.Lookup(name)) }

// LookupID finds a user by its number. It returns nil if this host has no such user.
func LookupID(uid int) *Account { return accountOf(user.LookupId(strconv.Itoa(uid))) }

func accountOf(u *user.User, err error) *Account {
	if err != nil {
		return nil
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	g, errGroup := user.LookupGroupId(u.Gid)
	if errors.Join(errUID, errGID, errGroup) != nil || !content.PlainText(g.Name) {
		return nil
	}
	return &Account{Account: account.Account{Name: u.Username, UID: uint32(uid), GID: uint32(gid)}, Group: g.Name}
}

// ownerOf is the user that owns a file.
func ownerOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

// Reaches returns why the account cannot enter a directory, if it cannot.
func (a *Account) Reaches(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !a.May(info, account.Enter) {
			return fmt.Errorf("the user %s cannot enter %s", a.Name, dir)
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
func (a *Account) share(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("sharing dnsmasq's directory: %w", err)
	}
	owner, own := ownerOf(info), uint32(os.Geteuid())
	if own == 0 && a.UID != 0 && (owner == a.UID || !a.May(info, account.Read|account.Enter)) {
		err = errors.Join(os.Chown(dir, 0, int(a.GID)), os.Chmod(dir, 0o750|fs.ModeSetgid))
	} else if owner == own && !a.May(info, account.Read|account.Enter) {
		err = os.Chmod(dir, info.Mode()|account.Read|account.Enter)
	}
	if err != nil {
		return fmt.Errorf("sharing dnsmasq's directory: %w", err)
	}
	return nil
}

// disown takes a directory back that an earlier version gave to the account.
func (a *Account) disown(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("taking dnsmasq's directory back: %w", err)
	}
	if os.Geteuid() != 0 || ownerOf(info) != a.UID {
		return nil
	}
	if err := os.Chown(dir, 0, -1); err != nil {
		return fmt.Errorf("taking dnsmasq's directory back: %w", err)
	}
	return nil
}
