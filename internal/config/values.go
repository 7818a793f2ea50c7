package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Value is one configuration key as the Python mdserver showed it to templates.
type Value struct {
	Key    string // "section.key"
	Value  any    // nil, bool, int or string, after the Python mdserver's Python types
	Secret bool   // not for logs or answers
}

// values keeps what was read in the Python mdserver's order: the defaults first,
// then the keys that files add; setting a key again leaves it in its place.
type values struct {
	list  []*value
	byKey map[string]*value
}

type value struct {
	section, name string
	key           *key // nil if unknown
	text          string
	seen          any    // as a template sees it
	file          string // "" for a default
	line          int
}

func (v *value) full() string { return v.section + "." + v.name }

// secret hides unknown keys too: one may be a misspelt password.
func (v *value) secret() bool {
	if v.key == nil {
		return v.section != "_files_"
	}
	return v.key.secret
}

// newValues holds the Python mdserver's defaults.
func newValues() *values {
	vs := &values{byKey: map[string]*value{}}
	var ranked []*key
	for i := range table {
		if table[i].rank > 0 {
			ranked = append(ranked, &table[i])
		}
	}
	slices.SortFunc(ranked, func(a, b *key) int { return cmp.Compare(a.rank, b.rank) })
	for _, k := range ranked {
		vs.set(&value{section: k.section, name: k.name, key: k, text: pyText(k.def), seen: k.def})
	}
	return vs
}

func (vs *values) set(v *value) {
	if old := vs.byKey[v.full()]; old != nil {
		*old = *v
		return
	}
	vs.list = append(vs.list, v)
	vs.byKey[v.full()] = v
}

func (vs *values) delete(v *value) {
	delete(vs.byKey, v.full())
	vs.list = slices.DeleteFunc(vs.list, func(other *value) bool { return other == v })
}

// Values lists the keys in the Python mdserver's order with the types that its
// template variables had: its defaults, then what the files add, with _include_
// and _files_. A new key is in the list only if a file sets it. A Config that was
// not made by Load or Default has none.
func (c *Config) Values() []Value {
	if c.values == nil {
		return nil
	}
	list := make([]Value, 0, len(c.values.list))
	for _, v := range c.values.list {
		list = append(list, Value{Key: v.full(), Value: v.seen, Secret: v.secret()})
	}
	return list
}

// OfOriginal reports whether the files set no key that the Python mdserver did not
// know, as before an upgrade from it.
func (c *Config) OfOriginal() bool {
	for _, v := range c.values.list {
		if v.file != "" && v.key != nil && !v.key.original() {
			return false
		}
	}
	return true
}

// InForce is Values and every other key with an active value: new keys, defaults
// and derived values, as text.
func (c *Config) InForce() []Value {
	list := c.Values()
	for i := range table {
		k := &table[i]
		text := c.effective[k.full()]
		if k.set == nil || text == "" || c.values == nil || c.values.byKey[k.full()] != nil {
			continue
		}
		list = append(list, Value{Key: k.full(), Value: seenAs(k, text), Secret: k.secret})
	}
	return list
}

// Dump is Values as "key=value" lines in Python's spelling, without secrets:
// the answer of /service/configuration.
func (c *Config) Dump() []string {
	var lines []string
	for _, v := range c.Values() {
		if !v.Secret && !soundsSecret(v.Key) {
			lines = append(lines, v.Key+"="+pythonText(v.Value))
		}
	}
	return lines
}

// soundsSecret is the Python mdserver's test. It catches the names of files as
// well.
func soundsSecret(key string) bool {
	for _, word := range []string{"password", "public-keys", "template-data"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

func pythonText(v any) string {
	switch v {
	case nil:
		return "None"
	case true:
		return "True"
	case false:
		return "False"
	}
	return fmt.Sprint(v)
}

// Effective lists every key that is not a secret with its active text, including
// new keys and defaults, in the order of the sample file.
func (c *Config) Effective() []Setting {
	var list []Setting
	for i := range table {
		k := &table[i]
		if k.set == nil || k.secret {
			continue
		}
		s := Setting{Key: k.full(), Value: c.effective[k.full()]}
		if c.values != nil {
			if v := c.values.byKey[k.full()]; v != nil {
				s.File, s.Line = v.file, v.line
			}
		}
		list = append(list, s)
	}
	return append(list, c.networkSettings()...)
}

// networkSettings are the keys that the sections [network NAME] set.
func (c *Config) networkSettings() []Setting {
	var list []Setting
	if c.values == nil {
		return nil
	}
	for _, v := range c.values.list {
		if v.key != nil && v.key.network != nil {
			list = append(list, Setting{Key: v.full(), Value: v.text, File: v.file, Line: v.line})
		}
	}
	return list
}

// Setting is one key with its active value and where it was set; File is empty for
// defaults.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
}
