package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Check tells whether this machine can hold a lab: it needs root and these
// commands. The error says what is missing and how to get it.
func Check(commands ...string) error {
	if os.Geteuid() != 0 {
		return errors.New("this needs root: it makes network namespaces")
	}
	var missing []string
	for _, c := range append([]string{"ip", "dnsmasq", "udhcpc", "curl", "getent"}, commands...) {
		if _, err := exec.LookPath(c); err != nil {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing commands: %s; scripts/install-deps installs them", strings.Join(missing, ", "))
	}
	return nil
}
