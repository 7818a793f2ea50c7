package install

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

func validUser(name string) bool { return userName.MatchString(name) }

// account is mdserver's user and group; an id is noOwner where it is unknown.
type account struct{ uid, gid int }

// owners gives what to set as a file's owner and group: noOwner for root's.
func (j *job) owners(user, group bool) (uid, gid int) {
	uid, gid = noOwner, noOwner
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

// ensureAccount makes the system user and group unless they are there.
func (j *job) ensureAccount(ctx context.Context) error {
	err := j.createAccount(ctx)
	j.account = account{uid: noOwner, gid: noOwner}
	if id, known := j.lookup("/etc/passwd", j.User); known {
		j.account.uid = id
	}
	if id, known := j.lookup("/etc/group", j.User); known {
		j.account.gid = id
	}
	return err
}

func (j *job) createAccount(ctx context.Context) error {
	name := "user " + j.User
	_, user := j.lookup("/etc/passwd", j.User)
	_, group := j.lookup("/etc/group", j.User)
	passwd, err := j.tree.lstat("/etc/passwd")
	switch {
	case err != nil:
		return err
	case user && group:
		j.report.add(Unchanged, name, "")
		return nil
	case j.NoUser:
		j.report.add(Skipped, name, "as you asked; files stay root's")
		return nil
	case j.UID != 0 && !j.DryRun:
		j.report.add(Skipped, name, "only root can create it; files keep your ownership")
		return nil
	case passwd == nil:
		j.report.add(Skipped, name, "there is no /etc/passwd in "+j.Root+"; files stay root's")
		return nil
	}
	tool, args := "useradd", []string{"--system", "--home-dir", stateDir, "--no-create-home",
		"--shell", "/usr/sbin/nologin", "--comment", "mdserver metadata server", "--user-group"}
	switch {
	case user:
		tool, args = "groupadd", []string{"--system"}
	case group:
		args = append(args[:len(args)-1], "--gid", j.User)
	}
	if j.Root != "" {
		prefix, err := filepath.Abs(j.Root)
		if err != nil {
			return err
		}
		args = append(args, "--prefix", prefix)
	}
	if !j.DryRun {
		if err := j.Run(ctx, tool, append(args, j.User)...); err != nil {
			return fmt.Errorf("create %s: %w", name, err)
		}
	}
	if !user {
		j.manifest.CreatedUser = j.User
	}
	j.report.add(Created, name, "a system user without a shell")
	return nil
}

// lookup finds an id in passwd(5) or group(5), whose third field it is.
func (j *job) lookup(file, name string) (int, bool) {
	content, err := j.tree.read(file)
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

// takeOverState gives mdserver's user what lies in the state directory. The
// original wrote it as root.
func (j *job) takeOverState() error {
	uid, gid := j.owners(true, true)
	if uid == noOwner || gid == noOwner {
		return nil
	}
	dir, err := j.tree.openDir(stateDir)
	if errors.Is(err, fs.ErrNotExist) { // a dry run has not made it
		return nil
	}
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	defer dir.Close()
	changed := 0
	err = fs.WalkDir(dir.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if ownedBy(info, uid, gid) || !entry.IsDir() && hardLinked(info) {
			return nil // another name of the file may be anywhere
		}
		changed++
		if j.DryRun {
			return nil
		}
		return dir.Lchown(name, uid, gid)
	})
	if err != nil {
		return fmt.Errorf("give %s to %s: %w", stateDir, j.User, err)
	}
	if changed > 0 {
		j.report.add(Done, stateDir+"/", fmt.Sprintf("gave %d files and directories to %s", changed, j.User))
	}
	return nil
}
