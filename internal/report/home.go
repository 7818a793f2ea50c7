package report

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"mdserver/internal/api"
)

// missing is what cloud-init sends in place of a value that it does not have.
const missing = "N/A"

// homeKeys are the fields with host keys.
var homeKeys = []string{"pub_key_rsa", "pub_key_dsa", "pub_key_ecdsa", "pub_key_ed25519"}

// parseHome reads the form that cloud-init's module phone_home posts. All programs
// in a guest can send it, so its host keys are shown and used for nothing.
//
// Source: cloudinit/config/cc_phone_home.py.
func parseHome(body []byte) (api.BootEntry, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return api.BootEntry{}, fmt.Errorf("phone_home posts a form: %w", err)
	}
	var found []string
	for _, name := range []string{"instance_id", "hostname", "fqdn"} {
		if value := form.Get(name); value != "" && value != missing {
			found = append(found, name+" "+oneLine(value, maxName))
		}
	}
	for _, name := range homeKeys {
		text := strings.TrimSpace(form.Get(name))
		if text == "" || text == missing {
			continue
		}
		key, err := parseKey(text)
		if err != nil {
			return api.BootEntry{}, fmt.Errorf("%s: %w", name, err)
		}
		found = append(found, describe(key))
	}
	if len(found) == 0 {
		return api.BootEntry{}, fmt.Errorf("nothing to note, accepted: instance_id, hostname, fqdn, %s", strings.Join(slices.Sorted(slices.Values(homeKeys)), ", "))
	}
	return api.BootEntry{Kind: api.EntryPhoneHome, Detail: oneLine(strings.Join(found, ", "), 2*maxText)}, nil
}

// describe shows a key as ssh does, such as "ssh-ed25519 SHA256:…".
func describe(key ssh.PublicKey) string { return key.Type() + " " + ssh.FingerprintSHA256(key) }
