package crypto

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-crypt/x/crypt"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// cryptMethod is a way to hash passwords: SHA-crypt of U. Drepper.
type cryptMethod struct {
	name, ident string
	new         func() hash.Hash
	size        int // of the whole text without rounds
}

var (
	cryptSHA512 = &cryptMethod{"SHA512", "6", sha512.New, 106}
	cryptSHA256 = &cryptMethod{"SHA256", "5", sha256.New, 63}
)

const saltLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./"

// Bounds of SHA-crypt, and the length of a password that libxcrypt takes.
const (
	defaultRounds = 5000
	minRounds     = 1000
	maxRounds     = 999_999_999
	maxSalt       = 16
	maxPassword   = 511
)

var cryptMethodType = object.NewType("_Method", "crypt", object.Properties(map[string]func(*cryptMethod) object.Value{
	"name":       func(m *cryptMethod) object.Value { return object.Str(m.name) },
	"ident":      func(m *cryptMethod) object.Value { return object.Str(m.ident) },
	"salt_chars": func(*cryptMethod) object.Value { return object.Int(maxSalt) },
	"total_size": func(m *cryptMethod) object.Value { return object.Int(m.size) },
}))

// Class and Repr implement object.Value and object.Represented.
func (*cryptMethod) Class() *object.Type { return cryptMethodType }
func (m *cryptMethod) Repr() string      { return "<crypt.METHOD_" + m.name + ">" }

// Crypt makes the module crypt.
func Crypt() native.Members {
	m := native.Functions(native.Func("crypt", "word:str salt?", cryptWord), native.Func("mksalt", "method? * rounds:none+int?", mksalt))
	m["METHOD_SHA512"], m["METHOD_SHA256"] = cryptSHA512, cryptSHA256
	m["methods"] = object.Tuple{cryptSHA512, cryptSHA256}
	return m
}

func methodArg(v object.Value) (*cryptMethod, error) {
	if native.IsNone(v) {
		return cryptSHA512, nil
	}
	m, ok := v.(*cryptMethod)
	if !ok {
		return nil, object.Raise(object.TypeError, "a crypt method is wanted, not %s", object.TypeName(v))
	}
	return m, nil
}

func mksalt(_ *object.Thread, a []object.Value) (object.Value, error) {
	m, err := methodArg(a[0])
	if err != nil {
		return nil, err
	}
	s := "$" + m.ident + "$"
	if !native.IsNone(a[1]) {
		rounds := object.IntOr(a[1], 0)
		if rounds < minRounds || rounds > maxRounds {
			return nil, object.Raise(object.ValueError, "rounds out of the range 1000 to 999_999_999")
		}
		s += "rounds=" + strconv.Itoa(rounds) + "$"
	}
	salt := make([]byte, maxSalt)
	rand.Read(salt) //nolint:errcheck // it never fails
	for i := range salt {
		salt[i] = saltLetters[salt[i]%64]
	}
	return object.Str(s + string(salt)), nil
}

func cryptWord(t *object.Thread, a []object.Value) (object.Value, error) {
	word := object.Text(a[0])
	setting, ok := a[1].(object.Str)
	if !ok {
		v, err := mksalt(t, []object.Value{a[1], nil})
		if err != nil {
			return nil, err
		}
		setting = v.(object.Str)
	}
	c, err := parseSetting(string(setting))
	if err != nil {
		return nil, err
	}
	if len(word) > maxPassword {
		return nil, object.Raise(object.ValueError, "the password is %d bytes long, at most %d are supported", len(word), maxPassword)
	}
	if err := t.Step(c.rounds * (3 + len(word)/64)); err != nil {
		return nil, err
	}
	hash := crypt.KeySHACrypt(c.method.new, []byte(word), c.salt, c.rounds)
	return object.Str(c.prefix + string(c.salt) + "$" + string(hash)), t.Alloc(4096)
}

// crypter is a parsed setting such as $6$rounds=5000$salt.
type crypter struct {
	method *cryptMethod
	salt   []byte
	rounds int
	prefix string
}

var settingPattern = regexp.MustCompile(`^(\$([56])\$(?:rounds=(\d+)\$)?)([^$]*)`)

func parseSetting(s string) (*crypter, error) {
	found := settingPattern.FindStringSubmatch(s)
	if found == nil {
		return nil, object.Raise(object.ValueError, "unsupported salt %s: templates have $6$ (SHA-512) and $5$ (SHA-256)", object.PlainRepr(object.Str(s)))
	}
	salt := found[4]
	c := &crypter{method: cryptSHA512, rounds: defaultRounds, prefix: found[1], salt: []byte(salt[:min(len(salt), maxSalt)])}
	if found[2] == "5" {
		c.method = cryptSHA256
	}
	if found[3] != "" {
		c.rounds, _ = strconv.Atoi(found[3]) // what is too large is the largest int
	}
	if c.rounds < minRounds || c.rounds > maxRounds || strings.HasPrefix(salt, "rounds=") {
		return nil, object.Raise(object.ValueError, "rounds in salt %s must be from %d to %d", object.PlainRepr(object.Str(s)), minRounds, maxRounds)
	}
	return c, nil
}
