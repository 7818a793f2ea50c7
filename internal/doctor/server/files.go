package server

import (
	"errors"
	"io/fs"

	"mdserver/internal/account"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
)

// mostUnreadable bounds the files with user-data that are named.
const mostUnreadable = 5

// Files checks what the server must be able to read and write.
func Files(h *host.Facts) []finding.Finding {
	if h.Account.Err != nil {
		return []finding.Finding{finding.Unchecked("the server's user is not known: %v", h.Account.Err)}
	}
	who := h.Account.Account
	var all []finding.Finding
	for _, used := range h.Files.Used {
		all = append(all, usable(who, used)...)
	}
	for _, file := range h.Files.Unreadable[:min(len(h.Files.Unreadable), mostUnreadable)] {
		all = append(all, denied(who, file.File, file.Need))
	}
	for _, file := range h.Files.Secret {
		if file.Err == nil && file.Mode.Perm()&0o007 != 0 {
			all = append(all, finding.Fail("secrets_world_readable", "all users have access to %s, which contains secrets", file.Path).Mend(finding.Command("chmod 600 %s", file.Path)))
		}
	}
	return finding.Unless(all, finding.Good("the user %s can read and write all files that the server needs", who.Name))
}

// usable finds what the account cannot do with a path, or on the way to it. A
// path that is not there yet is made by the server.
func usable(who account.Account, file host.Needed) []finding.Finding {
	parent := file.Parent
	if parent.Path != file.Path && parent.Err == nil && !may(who, parent, account.Enter) {
		return []finding.Finding{denied(who, parent, account.Enter)}
	}
	switch {
	case errors.Is(file.Err, fs.ErrNotExist):
		return nil
	case errors.Is(file.Err, fs.ErrPermission):
		return []finding.Finding{finding.Unchecked("%s: only root may read it", file.Path)}
	case file.Err != nil:
		return []finding.Finding{finding.Fail("path_unreadable", "%s cannot be read: %v", file.Path, file.Err).
			Advise("`%s` shows what it is", finding.Command("ls -ld %s", file.Path))}
	case !may(who, file.File, file.Need):
		return []finding.Finding{denied(who, file.File, file.Need)}
	}
	return nil
}

func may(who account.Account, file host.File, need fs.FileMode) bool {
	return who.Allowed(file.Mode, file.UID, file.GID, need)
}

// denied lists what is missing. The server must own its own files; files that it
// only reads must belong to its group.
func denied(who account.Account, file host.File, need fs.FileMode) finding.Finding {
	f := finding.Fail("path_denied", "the user %s cannot use %s, which is %s", who.Name, file.Path, file.Rights())
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
		return f.Mend(finding.Command("chown %s %s", who.Name, file.Path), finding.Command("chmod %s %s", "u+"+letters, file.Path))
	case file.UID == who.UID:
		return f.Mend(finding.Command("chmod %s %s", "u+"+letters, file.Path))
	}
	return f.Mend(finding.Command("chgrp %s %s", who.GID, file.Path), finding.Command("chmod %s %s", "g+"+letters, file.Path))
}
