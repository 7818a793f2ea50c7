package libvirt

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// units are libvirt's units of memory in bytes
// (https://libvirt.org/formatdomain.html#memory-allocation).
var units = map[string]uint64{
	"": 1 << 10, "b": 1, "bytes": 1,
	"kb": 1e3, "k": 1 << 10, "kib": 1 << 10,
	"mb": 1e6, "m": 1 << 20, "mib": 1 << 20,
	"gb": 1e9, "g": 1 << 30, "gib": 1 << 30,
	"tb": 1e12, "t": 1 << 40, "tib": 1 << 40,
}

type memoryXML struct {
	Unit  string `xml:"unit,attr"`
	Value string `xml:",chardata"`
}

func (m *memoryXML) bytes() (uint64, error) {
	if m == nil {
		return 0, nil
	}
	unit, ok := units[strings.ToLower(m.Unit)]
	if !ok {
		return 0, fmt.Errorf("the domain's <memory> has the unknown unit %q", m.Unit)
	}
	text := strings.TrimSpace(m.Value)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the domain's <memory> %q is not a whole number", text)
	}
	high, total := bits.Mul64(n, unit)
	if high != 0 {
		return 0, fmt.Errorf("the domain's <memory> %q %s is too large", text, m.Unit)
	}
	return total, nil
}
