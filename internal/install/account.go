package install

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"mdserver/internal/install/rootfs"
)

var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

func validUser(name string) bool { return userName.MatchString(name) }

// account is a user with a group of its own; an id is rootfs.NoOwner where it is
// unknown.
type account struct{ uid, gid int }

// dnsmasqUser is the user for dnsmasq. Its name does not depend on the server's
// user, so that the configuration has it as a default.
const dnsmasqUser = "mdserver-dnsmasq"

// owners gives what to set as a file's owner and group: rootfs.NoOwner for root's.
func (j *job) owners(user, group bool) (uid, gid int) {
	uid, gid = rootfs.NoOwner, rootfs.NoOwner
	if j.UID != 0 {
		return uid, gid
	}
	if user {
		uid = j.account.uid
	}
	if group {
		gid = j.account.gid
	}
	return uid, gid
}

// ensureAccounts makes the system users and groups unless they are there.
func (j *job) ensureAccounts(ctx context.Context) error {
	made, err := j.createAccount(ctx, j.User, stateDir, "mdserver metadata server")
	if made {
		j.manifest.CreatedUser = j.User
	}
	j.account = j.accountOf(j.User)
	if err != nil {
		return err
	}
	made, err = j.createAccount(ctx, dnsmasqUser, "/nonexistent", "mdserver's dnsmasq")
	if made {
		j.manifest.CreatedDnsmasqUser = dnsmasqUser
	}
	j.dnsmasq = j.accountOf(dnsmasqUser)
	return err
}

func (j *job) accountOf(name string) account {
	found := account{uid: rootfs.NoOwner, gid: rootfs.NoOwner}
	if id, known := j.lookup("/etc/passwd", name); known {
		found.uid = id
	}
	if id, known := j.lookup("/etc/group", name); known {
		found.gid = id
	}
	return found
}

// createAccount reports whether it made the user.
func (j *job) createAccount(ctx context.Context, account, home, comment string) (bool, error) {
	name := "user " + account
	_, user := j.lookup("/etc/passwd", account)
	_, group := j.lookup("/etc/group", account)
	passwd, err := j.tree.Lstat("/etc/passwd")
	switch {
	case err != nil:
		return false, err
	case user && group:
		j.report.add(Unchanged, name, "")
		return false, nil
	case j.NoUser:
		j.report.add(Skipped, name, "as requested; files belong to root")
		return false, nil
	case j.UID != 0 && !j.DryRun:
		j.report.add(Skipped, name, "only root can create it; files belong to you")
		return false, nil
	case passwd == nil:
		j.report.add(Skipped, name, "there is no /etc/passwd in "+j.Root+"; files belong to root")
		return false, nil
	}
	tool, args := "useradd", []string{"--system", "--home-dir", home, "--no-create-home",
		"--shell", "/usr/sbin/nologin", "--comment", comment, "--user-group"}
	switch {
	case user:
		tool, args = "groupadd", []string{"--system"}
	case group:
		args = append(args[:len(args)-1], "--gid", account)
	}
	if j.Root != "" {
		prefix, err := filepath.Abs(j.Root)
		if err != nil {
			return false, err
		}
		args = append(args, "--prefix", prefix)
	}
	if !j.DryRun {
		if err := j.Run(ctx, tool, append(args, account)...); err != nil {
			return false, fmt.Errorf("create %s: %w", name, err)
		}
	}
	j.report.add(Created, name, "a system user without a shell")
	return !user, nil
}

// lookup finds an id in passwd(5) or group(5), whose third field it is.
func (j *job) lookup(file, name string) (int, bool) {
	content, err := j.tree.Read(file)
	if err != nil {
		return 0, false
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) < 3 || fields[0] != name {
			continue
		}
		if id, err := strconv.Atoi(fields[2]); err == nil && id >= 0 {
			return id, true
		}
	}
	return 0, false
}
