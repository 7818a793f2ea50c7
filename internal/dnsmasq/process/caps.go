package process

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// heldCapabilities gives those of the capabilities that dnsmasq needs which
// this process holds and its children would not get by themselves. dnsmasq says
// which one it misses. The unit's filter of system calls refuses the one that
// hands them down, which is not needed there: ambient ones are inherited.
func heldCapabilities() []uintptr {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	held := capabilities(status, "CapPrm:")
	if os.Geteuid() != 0 {
		held &^= capabilities(status, "CapAmb:")
	}
	return needed(held)
}

// needed gives those of the capabilities in a set that dnsmasq needs.
func needed(held uint64) []uintptr {
	var needed []uintptr
	for _, c := range []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE} {
		if held&(1<<c) != 0 {
			needed = append(needed, c)
		}
	}
	return needed
}

func capabilities(status []byte, set string) uint64 {
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if digits, ok := strings.CutPrefix(lines.Text(), set); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 64)
			if err != nil {
				return 0
			}
			return mask
		}
	}
	return 0
}
