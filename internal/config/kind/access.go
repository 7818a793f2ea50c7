package kind

import (
	"errors"
	"strings"

	"mdserver/internal/instance"
)

// VerifyMAC is bridge, or yes or no in any of their spellings.
var VerifyMAC = Kind[string]{
	Accepts: "bridge, yes or no",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		switch {
		case strings.EqualFold(text, "bridge"):
			return "bridge", nil
		case IsTrue(text):
			return "yes", nil
		case IsFalse(text):
			return "no", nil
		}
		return "", errors.New("not one of the choices")
	},
}

// HostNames is a comma separated list of host names.
var HostNames = Kind[[]string]{
	Accepts: "host names, separated by commas, or nothing",
	Quotes:  true,
	Parse: func(text string) ([]string, error) {
		names := instance.SplitList(text)
		for _, name := range names {
			if !instance.ValidHostname(name) && !strings.EqualFold(name, "localhost") {
				return nil, errors.New("not a list of host names")
			}
		}
		return names, nil
	},
}

// IMDSFrontends is a comma separated list of what tokens may not be needed for.
var IMDSFrontends = Kind[[]string]{
	Accepts: strings.Join(instance.IMDSFrontends, " and ") + ", separated by commas, or nothing",
	Quotes:  true,
	Parse:   instance.ParseIMDSFrontends,
}

// Interfaces is a comma separated list of network interfaces.
var Interfaces = Kind[[]string]{
	Accepts: "names of network interfaces, separated by commas, or any, or nothing",
	Quotes:  true,
	Parse: func(text string) ([]string, error) {
		var list []string
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if _, err := InterfaceName.Parse(name); err != nil {
				return nil, err
			}
			list = append(list, name)
		}
		return list, nil
	},
}

// InterfaceName is the name of a network interface.
var InterfaceName = Token(15) // IFNAMSIZ less its final zero
