package doctor

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"mdserver/internal/api"
)

// credentials are the user and groups of a process.
type credentials struct {
	uid    uint32
	gid    uint32
	groups []string // further ones, by name where they have one
}

// checkUsers sees to it that what guests talk to is kept apart: dnsmasq from
// the server's files, and the server from libvirt where it need not edit it.
func checkUsers(ctx context.Context, h *Host) []Finding {
	if !h.running() {
		return []Finding{fine("the server does not run")}
	}
	server, err := credentialsOf(h.status.PID)
	if err != nil {
		return []Finding{unknown("the server's user is not known: %v", err)}
	}
	var all []Finding
	for _, n := range h.status.Networks {
		if st := n.Dnsmasq; st != nil && st.PID != 0 {
			all = append(all, h.apart(ctx, n.Name, *st, server)...)
		}
	}
	const libvirt = "libvirt"
	edits := slices.ContainsFunc(h.Networks, func(n Network) bool { return n.Libvirt })
	if server.uid != 0 && slices.Contains(server.groups, libvirt) && !edits && h.Config.Libvirt.URI.Socket == "" {
		all = append(all, h.restart(ctx, warning("server_in_group_libvirt", "the server is in the group libvirt, which is equivalent to root, but no network needs it: "+
			"only networks with backend = libvirt do").
			mend(command("gpasswd --delete %s libvirt", name(server.uid)))))
	}
	return unless(all, fine("dnsmasq cannot use the server's files"))
}

// apart warns of a dnsmasq that has rights that it does not need.
func (h *Host) apart(ctx context.Context, network string, st api.Dnsmasq, server credentials) []Finding {
	own, err := credentialsOf(st.PID)
	if err != nil {
		return nil // it ended meanwhile, and checkServing tells
	}
	why := ""
	switch {
	case st.Warning != "":
		why = st.Warning
	case own.uid == server.uid || own.uid == 0:
		why = "dnsmasq runs as " + name(own.uid) + ", and can read the server's files"
	case own.gid == server.gid:
		why = "dnsmasq runs in the server's group, and can read the server's configuration"
	case len(own.groups) > 0:
		why = "dnsmasq is in the groups " + strings.Join(own.groups, ", ")
	default:
		return nil
	}
	return []Finding{h.restart(ctx, warning("dnsmasq_overprivileged", "network %q: %s", network, why).
		advise("if %s sets user in [dnsmasq], set it to mdserver-dnsmasq", h.ConfigFile).
		mend("mdserver install"))}
}

// credentialsOf reads them from the kernel (proc_pid_status(5)).
func credentialsOf(pid int) (credentials, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return credentials{}, err
	}
	return parseCredentials(string(text))
}

func parseCredentials(status string) (c credentials, err error) {
	for line := range strings.Lines(status) {
		field, value, _ := strings.Cut(line, ":")
		numbers := strings.Fields(value)
		switch {
		case field == "Uid" && len(numbers) == 4:
			c.uid, err = parseID(numbers[1])
		case field == "Gid" && len(numbers) == 4:
			c.gid, err = parseID(numbers[1])
		case field == "Groups":
			c.groups = further(numbers, c.gid)
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
		if gid == strconv.FormatUint(uint64(own), 10) {
			continue
		}
		if g, err := user.LookupGroupId(gid); err == nil {
			gid = g.Name
		}
		names = append(names, gid)
	}
	return names
}

func name(uid uint32) string {
	text := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(text); err == nil {
		return u.Username
	}
	return text
}
