package sealed

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write writes a file of keys.
func write(t testing.TB, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, text string) Keys {
	t.Helper()
	keys, err := ReadFile(write(t, text, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestSeal(t *testing.T) {
	first, second := NewKey(), NewKey()
	a, both, b := read(t, "# a comment\n\n"+first), read(t, second+first), read(t, second)
	text := a.Seal("keys", []byte("secret"))
	if strings.Contains(text, "secret") || text == a.Seal("keys", []byte("secret")) {
		t.Errorf("sealed: %s", text)
	}
	for name, test := range map[string]struct {
		keys Keys
		name string
		text string
		old  bool
		err  error
	}{
		"the same key":     {a, "keys", text, false, nil},
		"a new first key":  {both, "keys", text, true, nil},
		"another key":      {b, "keys", text, false, ErrOtherKey},
		"the first seals":  {b, "keys", both.Seal("keys", []byte("secret")), false, nil},
		"another name":     {a, "others", text, false, ErrDamaged},
		"nothing":          {a, "keys", "", false, ErrDamaged},
		"junk":             {a, "keys", "junk!", false, ErrDamaged},
		"junk follows":     {a, "keys", text + "!", false, ErrDamaged},
		"cut off":          {a, "keys", base64.StdEncoding.EncodeToString(raw(t, text)[:20]), false, ErrDamaged},
		"the nonce alone":  {a, "keys", base64.StdEncoding.EncodeToString(raw(t, text)[:32]), false, ErrDamaged},
		"one bit is wrong": {a, "keys", flipped(t, text), false, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			secret, old, err := test.keys.Open(test.name, test.text)
			if !errors.Is(err, test.err) || old != test.old || err == nil && string(secret) != "secret" {
				t.Errorf("%q, old %v, %v", secret, old, err)
			}
		})
	}
}

// A text opens in later versions, too: all hosts would lose their secrets otherwise.
func TestOpensTextsOfEarlierVersions(t *testing.T) {
	keys := read(t, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
	const text = "VBf0xmxNZRcJocNAFxC26QZtdQ8ZRjMkXkorxTwiNEX6XKKfUK9RaJRjmL5+U51Wa0ZTmtqP"
	if secret, old, err := keys.Open("keys", text); string(secret) != "secret" || old || err != nil {
		t.Errorf("%q, old %v, %v", secret, old, err)
	}
}

func raw(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func flipped(t *testing.T, text string) string {
	data := raw(t, text)
	data[len(data)-1] ^= 1
	return base64.StdEncoding.EncodeToString(data)
}

func TestReadFileRefuses(t *testing.T) {
	const lines = "accepted: lines of 44 characters in base64, as `mdserver store key` makes them"
	const fewLines = "not a key, accepted: at most 16 lines of 44 characters in base64, as `mdserver store key` makes them"
	key := NewKey()
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"readable by all":       {key, 0o644, "has the mode 0644"},
		"writable by the group": {key, 0o620, "has the mode 0620"},
		"writable by all":       {key, 0o602, "has the mode 0602"},
		"empty":                 {"# nothing\n", 0o600, "has no key, " + lines},
		"a short key":           {"c2hvcnQ=\n", 0o600, ":1: " + fewLines},
		"a password":            {key + "hunter2\n", 0o600, ":2: " + fewLines},
		"a long line":           {strings.Repeat("a", 1<<20), 0o600, "not a file of keys, " + lines},
		"too many keys":         {strings.Repeat(key, mostKeys+1), 0o600, ":17: " + fewLines},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadFile(write(t, test.text, test.mode))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	if _, err := ReadFile(t.TempDir()); err == nil || !strings.HasSuffix(err.Error(), "is not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if keys, err := ReadFile(write(t, strings.Repeat(NewKey()+"\n  # a comment\n", mostKeys), 0o600)); err != nil || len(keys.list) != mostKeys {
		t.Errorf("as many keys as there may be: %d, %v", len(keys.list), err)
	}
	if _, err := ReadFile("/nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := ReadFile(write(t, key, 0o640)); err != nil {
		t.Errorf("readable by the group: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	keys := read(f, NewKey())
	f.Add(keys.Seal("keys", []byte("secret")))
	f.Add("")
	f.Fuzz(func(_ *testing.T, text string) { _, _, _ = keys.Open("keys", text) })
}
