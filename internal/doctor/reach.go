package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"mdserver/internal/account"
)

// checkReach finds that the server may not edit libvirt's networks: its user is
// not in the group of libvirt's socket, or has joined it since the server
// started.
func (h *Host) checkReach(ctx context.Context) []Finding {
	i := slices.IndexFunc(h.Networks, func(n Network) bool { return n.Libvirt })
	info, err := os.Stat(h.libvirt.socket)
	if i < 0 || err != nil {
		return nil
	}
	who, err := h.account(ctx)
	if err != nil {
		return []Finding{unknown("the server's user is not known: %v", err)}
	}
	member := memberships(who.Name)
	now := member
	if h.running() {
		now = processGroups(h.status.PID)
	}
	info = withPolkit(info)
	if reaches(who, info, now) {
		return nil
	}
	f := wrong("libvirt_socket_denied", "the user %s may not use libvirt's socket %s, which is %s: it cannot edit the network %q", who.Name, h.libvirt.socket, describe(info), h.Networks[i].Name)
	return []Finding{h.restart(ctx, f.join(who, info, member))}
}

// polkitGroup is the group whose members libvirt's rule for polkit lets in.
const polkitGroup = "libvirt"

// byPolkit is a socket that everybody may open, where polkit asks for the group.
type byPolkit struct {
	fs.FileInfo
	group uint32
}

func (s byPolkit) Mode() fs.FileMode { return s.FileInfo.Mode()&^0o007 | 0o020 }
func (s byPolkit) Sys() any {
	owner := *s.FileInfo.Sys().(*syscall.Stat_t)
	owner.Gid = s.group
	return &owner
}

// withPolkit is the socket as polkit guards it: libvirt leaves one that polkit
// guards open to everybody. libvirtd.conf may turn that off.
func withPolkit(socket fs.FileInfo) fs.FileInfo {
	g, err := user.LookupGroup(polkitGroup)
	if err != nil || socket.Mode().Perm()&account.Write == 0 || !exists("/usr/share/polkit-1/rules.d/60-libvirt.rules") {
		return socket
	}
	settings, err := os.ReadFile("/etc/libvirt/libvirtd.conf")
	if err != nil || withoutPolkit.Match(settings) {
		return socket
	}
	return byPolkit{socket, groupIDs([]string{g.Gid})[0]}
}

var withoutPolkit = regexp.MustCompile(`(?m)^\s*auth_unix_rw\s*=\s*"none"`)

// reaches reports whether the account, with further groups, may use a socket.
func reaches(a account.Account, socket fs.FileInfo, groups []uint32) bool {
	return a.May(socket, account.Write) || groupMay(socket) && slices.Contains(groups, groupOf(socket))
}

// join adds how an account is to get the right to use a socket.
func (f Finding) join(who account.Account, socket fs.FileInfo, member []uint32) Finding {
	switch group := groupOf(socket); {
	case group == 0 || !groupMay(socket):
		return f.advise("create a group for libvirt's socket (unix_sock_group and unix_sock_rw_perms in /etc/libvirt/libvirtd.conf), and add %s to it", who.Name)
	case slices.Contains(member, group):
		return f // since the server started
	default:
		return f.mend(command("usermod --append --groups %s %s", groupName(group), who.Name))
	}
}

func groupOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Gid }

func groupMay(info fs.FileInfo) bool { return info.Mode().Perm()&(account.Write<<3) != 0 }

// restart adds the command that restarts the server.
func (h *Host) restart(ctx context.Context, f Finding) Finding {
	if unitProperty(ctx, unit, "ActiveState") == "" {
		return f.advise("restart mdserver")
	}
	return f.mend(command("systemctl restart %s", unit))
}

// startServer is the command that starts the server.
func (h *Host) startServer(ctx context.Context) string {
	if unitProperty(ctx, unit, "LoadState") != "" {
		return command("systemctl enable --now %s", unit)
	}
	return h.mdserver("serve")
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
	for line := range strings.Lines(string(text)) {
		if list, ok := strings.CutPrefix(line, "Groups:"); ok {
			return groupIDs(strings.Fields(list))
		}
	}
	return nil
}

func groupIDs(list []string) []uint32 {
	var ids []uint32
	for _, text := range list {
		if id, err := strconv.ParseUint(text, 10, 32); err == nil {
			ids = append(ids, uint32(id))
		}
	}
	return ids
}

func groupName(id uint32) string {
	text := strconv.FormatUint(uint64(id), 10)
	if g, err := user.LookupGroupId(text); err == nil {
		return g.Name
	}
	return text
}

// exists reports whether a file is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
