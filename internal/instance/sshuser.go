package instance

import "strings"

// KeySSHUser is the metadata key with the user that people log in as.
const KeySSHUser = "ssh_user"

const maxUser = 32 // useradd(8)

// ValidUser reports whether a text is the name of a user on a guest: letters,
// digits, dots, hyphens and underscores, and no hyphen or dot in front.
func ValidUser(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return name != "" && len(name) <= maxUser && name[0] != '-' && name[0] != '.' && strings.Trim(name, allowed) == ""
}

// SSHUser is the user that people log in as on this guest, or empty. A value
// that is not a user name counts as none: templates may use the key for
// something else.
func (m Metadata) SSHUser() string {
	if name := m.Values[KeySSHUser]; ValidUser(name) {
		return name
	}
	return ""
}
