package dnsmasq

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// heldCapabilities gives those of the capabilities that dnsmasq needs which
// we hold ourselves, and can therefore hand down. It says itself which one it
// misses.
func heldCapabilities() []uintptr {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	permitted := permittedCapabilities(status)
	var held []uintptr
	for _, c := range []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE} {
		if permitted&(1<<c) != 0 {
			held = append(held, c)
		}
	}
	return held
}

func permittedCapabilities(status []byte) uint64 {
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if digits, ok := strings.CutPrefix(lines.Text(), "CapPrm:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 64)
			if err != nil {
				return 0
			}
			return mask
		}
	}
	return 0
}
