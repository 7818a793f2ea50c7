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

// IMDSFrontends is a comma separated list of what tokens may not be needed for.
var IMDSFrontends = Kind[[]string]{
	Accepts: strings.Join(instance.IMDSFrontends, " and ") + ", separated by commas, or nothing",
	Quotes:  true,
	Parse:   instance.ParseIMDSFrontends,
}
