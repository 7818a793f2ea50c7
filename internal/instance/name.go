package instance

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxName is the length of a domain name and of other names, in characters.
// libvirt keeps a domain in a file of its name, which can have 255 bytes
// (NAME_MAX).
const MaxName = 255

// ValidateName refuses the domain names that libvirt itself refuses: none at
// all, a slash, a newline (libvirt 9.0, virXMLCheckIllegalChars and
// virDomainDefPostParse), and text that is not UTF-8, which XML cannot carry.
// It also refuses names of more than MaxName characters.
func ValidateName(name string) error {
	switch n := utf8.RuneCountInString(name); {
	case name == "":
		return errors.New("the domain has no name")
	case n > MaxName:
		return fmt.Errorf("the domain name has %d characters, accepted: at most %d", n, MaxName)
	case strings.ContainsAny(name, "/\n\r\x00"):
		return fmt.Errorf("the domain name %q contains a slash or a line break, which libvirt does not allow", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("the domain name %q is not valid UTF-8", name)
	}
	return nil
}
