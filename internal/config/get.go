package config

import (
	"errors"
	"fmt"
	"strings"

	"mdserver/internal/config/source"
)

// Errors of Get.
var (
	ErrNoKey  = errors.New("unknown key")
	ErrSecret = errors.New("secret")
)

// Get returns the active value of a key, "section.key". Errors: ErrNoKey, which
// suggests a known key, and ErrSecret for a key whose value is never printed.
func (c *Config) Get(name string) (Setting, error) {
	section, short := cutKey(name)
	key := section + "." + short
	if k := lookup(section, short); k != nil && k.secret {
		return Setting{}, fmt.Errorf("%w: the value of %s is not printed; read it in the configuration file", ErrSecret, source.Printable(key))
	}
	for _, s := range c.Effective() {
		if s.Key == key {
			return s, nil
		}
	}
	if network, ok := networkName(section); ok && lookup(section, short) != nil {
		return Setting{}, fmt.Errorf("%w: [network %s] does not set %s", ErrNoKey, source.Printable(network), source.Printable(short))
	}
	return Setting{}, fmt.Errorf("%w: %s%s; `mdserver config dump` lists the keys", ErrNoKey, source.Printable(name), nearestKey(section, short))
}

// cutKey splits "section.key". Names of keys have no upper case. Only the name of
// a network may contain dots; a name without a dot has no section.
func cutKey(name string) (section, key string) {
	cut := strings.Index(name, ".")
	if _, ok := networkName(name); ok {
		cut = strings.LastIndex(name, ".")
	}
	if cut < 0 {
		return "", strings.ToLower(name)
	}
	return name[:cut], strings.ToLower(name[cut+1:])
}
