package report

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"mdserver/internal/api"
)

// maxKeys is how many host keys a guest can have. OpenSSH makes three.
const maxKeys = 16

// parseKeys reads public host keys, one a line, as files such as
// ssh_host_ed25519_key.pub have them (sshd(8), AUTHORIZED_KEYS FILE FORMAT, without
// options).
func parseKeys(body []byte) ([]ssh.PublicKey, error) {
	var keys []ssh.PublicKey
	number := 0
	for line := range bytes.Lines(body) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		key, err := parseKey(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if !slices.ContainsFunc(keys, func(other ssh.PublicKey) bool { return bytes.Equal(other.Marshal(), key.Marshal()) }) {
			keys = append(keys, key)
		}
		if len(keys) > maxKeys {
			return nil, fmt.Errorf("line %d: too many keys, accepted: at most %d", number, maxKeys)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no host key, accepted: public keys, one a line")
	}
	return keys, nil
}

// parseKey reads one public key. A certificate is none: a guest could have
// another authority's.
func parseKey(text string) (ssh.PublicKey, error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%q is not a public key: %w", oneLine(text, maxName), err)
	}
	if len(options) > 0 || len(rest) > 0 {
		return nil, fmt.Errorf("%q has more than one public key and its comment", oneLine(text, maxName))
	}
	if _, certified := key.(*ssh.Certificate); certified {
		return nil, fmt.Errorf("%s is a certificate, accepted: public keys", key.Type())
	}
	return key, nil
}

// keysEntry is the entry of a boot for host keys.
func keysEntry(keys []ssh.PublicKey) api.BootEntry {
	var found []string
	for _, key := range keys {
		found = append(found, describe(key))
	}
	return api.BootEntry{Kind: api.EntryHostKeys, Detail: oneLine(strings.Join(found, ", "), 2*maxText)}
}
