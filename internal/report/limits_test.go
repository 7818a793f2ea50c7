package report

import (
	"crypto/ed25519"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// keyLine is the n-th of many public keys.
func keyLine(t *testing.T, n int) string {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, fmt.Sprint(n))
	key, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(seed).Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(key))
}

func TestMostKeys(t *testing.T) {
	var body strings.Builder
	for n := range maxKeys {
		body.WriteString(keyLine(t, n) + "# a comment\n\n" + keyLine(t, n))
	}
	keys, err := parseKeys([]byte(body.String()))
	if err != nil || len(keys) != 16 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	body.WriteString(keyLine(t, maxKeys))
	if keys, err := parseKeys([]byte(body.String())); keys != nil || err == nil || err.Error() != "line 65: too many keys, accepted: at most 16" {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	if detail := keysEntry(keys).Detail; len(detail) > 2*maxText || len(detail) < maxText || strings.Count(detail, ", ssh-ed25519 SHA256:") < 5 {
		t.Errorf("the entry is %q", detail)
	}
}

// A line has one key: a second one must not be lost.
func TestOneKeyForEachLine(t *testing.T) {
	line := strings.TrimSpace(keyLine(t, 1))
	if _, err := parseKey(line + " web1\n" + line); err == nil || !strings.Contains(err.Error(), "has more than one public key") {
		t.Errorf("two keys: %v", err)
	}
	if _, err := parseKey(`no-pty ` + line); err == nil || !strings.Contains(err.Error(), "has more than one public key") {
		t.Errorf("a key with an option: %v", err)
	}
}

func TestSeconds(t *testing.T) {
	for in, want := range map[float64]float64{-1: 0, 0: 0, 0.5: 0.5, longest: longest, longest + 1: 0} {
		if got := seconds(in); got != want {
			t.Errorf("%v are %v seconds, want %v", in, got, want)
		}
	}
}

// A guest's text is bounded, in what is kept and in what is answered.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("x", 5000)
	entry, err := parseEvent(fmt.Appendf(nil, `{"name": %q, "description": %q, "event_type": "start"}`, long, long))
	if err != nil || len(entry.Name) != maxName || len(entry.Detail) != maxText {
		t.Errorf("a name of %d and a text of %d bytes, %v", len(entry.Name), len(entry.Detail), err)
	}
	home, err := parseHome([]byte("hostname=" + long + "&fqdn=" + long + "&instance_id=" + long))
	if err != nil || len(home.Detail) != len("instance_id , hostname , fqdn ")+3*maxName {
		t.Errorf("a call home of %d bytes, %v", len(home.Detail), err)
	}
	for name, refused := range map[string]func() error{
		"type": func() error {
			_, err := parseEvent(fmt.Appendf(nil, `{"name": "x", "event_type": %q}`, long))
			return err
		},
		"result": func() error {
			_, err := parseEvent(fmt.Appendf(nil, `{"name": "x", "event_type": "finish", "result": %q}`, long))
			return err
		},
		"key":    func() error { _, err := parseKey(long); return err },
		"option": func() error { _, err := parseKey(`command="` + long + `" ` + keyLine(t, 1)); return err },
	} {
		if err := refused(); err == nil || !strings.Contains(err.Error(), "xxx") || len(err.Error()) > maxName+100 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each field of phone_home with a key counts.
func TestHomeKeys(t *testing.T) {
	line := keyLine(t, 1)
	for _, name := range []string{"pub_key_rsa", "pub_key_dsa", "pub_key_ecdsa", "pub_key_ed25519"} {
		entry, err := parseHome([]byte(url.Values{name: {line}, "hostname": {"web1"}}.Encode()))
		if err != nil || !strings.HasPrefix(entry.Detail, "hostname web1, ssh-ed25519 SHA256:") {
			t.Errorf("%s: %+v, %v", name, entry, err)
		}
	}
	all := url.Values{}
	for i, name := range homeKeys {
		all.Set(name, keyLine(t, i))
	}
	for _, name := range []string{"instance_id", "hostname", "fqdn"} {
		all.Set(name, strings.Repeat("x", 5000))
	}
	if entry, err := parseHome([]byte(all.Encode())); err != nil || len(entry.Detail) <= maxText || len(entry.Detail) > 2*maxText {
		t.Errorf("%d bytes, %v", len(entry.Detail), err)
	}
}

// An error of each stage counts, and the first ones are shown.
func TestTroublesOfStages(t *testing.T) {
	for _, stage := range []string{"init-local", "init", "modules-init", "modules-config", "modules-final"} {
		entry, err := parseStatus(fmt.Appendf(nil, `{"v1": {%q: {"errors": ["boom"], "finished": 1}}}`, stage))
		if err != nil || entry.Result != "FAIL" || entry.Name != stage || entry.Detail != "boom" {
			t.Errorf("%s: %+v, %v", stage, entry, err)
		}
	}
	for errors, want := range map[string]string{
		`"a", "b", "c"`:           "a; b; c",
		`"a", "b", "c", "d"`:      "a; b; c; and 1 more",
		`"a", "b", "c", "d", "e"`: "a; b; c; and 2 more",
	} {
		entry, err := parseStatus([]byte(`{"v1": {"init": {"errors": [` + errors + `]}}}`))
		if err != nil || entry.Detail != want {
			t.Errorf("%s: %+v, %v", errors, entry, err)
		}
	}
	entry, err := parseStatus(fmt.Appendf(nil, `{"v1": {"init": {"errors": [%q]}}}`, strings.Repeat("x", 5000)))
	if err != nil || len(entry.Detail) != maxText {
		t.Errorf("%d bytes, %v", len(entry.Detail), err)
	}
	// only the last stage shows that cloud-init has finished
	if entry, err := parseStatus([]byte(`{"v1": {"init": {"finished": 1}, "modules-final": {}}}`)); err != nil || entry.Result != "" || entry.Detail != "running" {
		t.Errorf("%+v, %v", entry, err)
	}
}
