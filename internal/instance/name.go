package instance

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ValidateName refuses the domain names that libvirt itself refuses: none at
// all, a slash, a newline (libvirt 9.0, virXMLCheckIllegalChars and
// virDomainDefPostParse), and text that is not UTF-8, which XML cannot carry.
func ValidateName(name string) error {
	switch {
	case name == "":
		return errors.New("the domain has no name")
	case strings.ContainsAny(name, "/\n\r\x00"):
		return fmt.Errorf("the domain name %q holds a slash or a line break, which libvirt does not allow", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("the domain name %q is not valid UTF-8", name)
	}
	return nil
}
