package host

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"mdserver/internal/account"
	"mdserver/internal/doctor/system"
)

// Account is the user that the server runs as: that of the running server, else
// of its unit, else of this process.
type Account struct {
	account.Account
	Err    error
	Member []uint32 // groups that the user is in as of now
	Groups []uint32 // groups that the server has: those of its process while it runs
}

func readAccount(s Server, unit system.Unit) Account {
	var a Account
	if a.Account, a.Err = accountOf(s, unit); a.Err != nil {
		return a
	}
	a.Member = memberships(a.Name)
	a.Groups = a.Member
	if s.Running() {
		a.Groups = processGroups(s.Status.PID)
	}
	return a
}

func accountOf(s Server, unit system.Unit) (account.Account, error) {
	if s.Running() {
		if info, err := os.Stat(fmt.Sprintf("/proc/%d", s.Status.PID)); err == nil {
			return account.Of(info.Sys().(*syscall.Stat_t).Uid)
		}
	}
	if unit.User == "" {
		return account.Of(uint32(os.Geteuid()))
	}
	u, err := user.Lookup(unit.User)
	if err != nil {
		return account.Account{}, err
	}
	uid, err := parseID(u.Uid)
	if err != nil {
		return account.Account{}, err
	}
	return account.Of(uid)
}

// memberships are the groups that a user is in as of now.
func memberships(name string) []uint32 {
	u, err := user.Lookup(name)
	if err != nil {
		return nil
	}
	list, err := u.GroupIds()
	if err != nil {
		return nil
	}
	return groupIDs(list)
}

// processGroups are the groups that a process was started with.
func processGroups(pid int) []uint32 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	return groupsIn(string(text))
}

// groupsIn reads the groups in the status of a process.
func groupsIn(status string) []uint32 {
	for line := range strings.Lines(status) {
		if list, ok := strings.CutPrefix(line, "Groups:"); ok {
			return groupIDs(strings.Fields(list))
		}
	}
	return nil
}

func groupIDs(list []string) []uint32 {
	var ids []uint32
	for _, text := range list {
		if id, err := parseID(text); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// Credentials are the user and groups of a process.
type Credentials struct {
	UID    uint32
	GID    uint32
	User   string
	Groups []string // further ones, by name where they have one
}

// credentialsOf reads them from the kernel (proc_pid_status(5)).
func credentialsOf(pid int) (Credentials, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Credentials{}, err
	}
	return parseCredentials(string(text))
}

func parseCredentials(status string) (c Credentials, err error) {
	for line := range strings.Lines(status) {
		field, value, _ := strings.Cut(line, ":")
		numbers := strings.Fields(value)
		switch {
		case field == "Uid" && len(numbers) == 4:
			c.UID, err = parseID(numbers[1])
			c.User = userName(c.UID)
		case field == "Gid" && len(numbers) == 4:
			c.GID, err = parseID(numbers[1])
		case field == "Groups":
			c.Groups = further(numbers, c.GID)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func parseID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err
}

// further names the groups that are not the process's own.
func further(gids []string, own uint32) []string {
	var names []string
	for _, gid := range gids {
		if id, err := parseID(gid); err == nil && id != own {
			names = append(names, groupName(id))
		}
	}
	return names
}

func userName(uid uint32) string {
	text := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(text); err == nil {
		return u.Username
	}
	return text
}

func groupName(gid uint32) string {
	text := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(text); err == nil {
		return g.Name
	}
	return text
}
