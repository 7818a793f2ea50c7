package config

import (
	"errors"
	"strings"

	"mdserver/internal/instance"
)

// verifyMAC is bridge, or yes or no in any of their spellings.
var verifyMAC = kind[string]{
	accepts: "bridge, yes or no",
	quotes:  true,
	parse: func(text string) (string, error) {
		switch {
		case strings.EqualFold(text, "bridge"):
			return "bridge", nil
		case isTrue(text):
			return "yes", nil
		case isFalse(text):
			return "no", nil
		}
		return "", errors.New("not one of the choices")
	},
}

// hostNames is a comma separated list of host names.
var hostNames = kind[[]string]{
	accepts: "host names, separated by commas, or nothing",
	quotes:  true,
	parse: func(text string) ([]string, error) {
		names := instance.SplitList(text)
		for _, name := range names {
			if !instance.ValidHostname(name) && !strings.EqualFold(name, "localhost") {
				return nil, errors.New("not a list of host names")
			}
		}
		return names, nil
	},
}

// imdsFrontends is a comma separated list of what tokens may not be needed for.
var imdsFrontends = kind[[]string]{
	accepts: strings.Join(instance.IMDSFrontends, " and ") + ", separated by commas, or nothing",
	quotes:  true,
	parse:   instance.ParseIMDSFrontends,
}
