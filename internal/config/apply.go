package config

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strings"
	"time"

	"mdserver/internal/config/kind"
)

// defaults is what a derived default may look at.
type defaults struct {
	config *Config // as far as the table has been applied
	name   string
}

// host is the full name of this machine, looked up once and only if needed.
func (d *defaults) host() string {
	if d.name == "" {
		d.name = hostname()
	}
	return d.name
}

// hostname finds the host's full name as Python's getfqdn does: the first name
// of its own address that has a dot, else the bare name.
func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	if strings.Contains(name, ".") {
		return name
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil || len(addrs) == 0 {
		return name
	}
	names, _ := net.DefaultResolver.LookupAddr(ctx, addrs[0])
	for _, full := range names {
		if full = strings.TrimSuffix(full, "."); strings.Contains(full, ".") && kind.Plain(full) == nil {
			return full
		}
	}
	return name
}

// renamed finds the key that a former name stands for.
func renamed(name string) *key {
	for i := range table {
		if table[i].old != "" && table[i].old == name {
			return &table[i]
		}
	}
	return nil
}

// rename moves values under former names to where they belong. They override the
// new name, wherever that is set, as in the Python mdserver.
func (l *loader) rename() {
	for i := range table {
		k := &table[i]
		v := l.config.values.byKey[k.old]
		if k.old == "" || v == nil {
			continue
		}
		text := fmt.Sprintf("is now %s; please rename it", k.full())
		if now := l.config.values.byKey[k.full()]; now != nil && now.file != "" {
			text = fmt.Sprintf("is now %s and overrides the value of %s:%d; please remove it", k.full(), now.file, now.line)
		}
		l.warn(Warning{File: v.file, Line: v.line, Key: k.old, Text: text, Level: slog.LevelWarn})
		l.config.values.delete(v)
		l.config.values.set(&value{section: k.section, name: k.name, key: k,
			text: v.text, seen: seenAs(k, v.text), file: v.file, line: v.line})
	}
}

// apply turns texts into the fields of Config.
func (l *loader) apply() {
	c := l.config
	c.effective = make(map[string]string, len(table))
	d := &defaults{config: c}
	for i := range table {
		k := &table[i]
		if k.rest != nil || k.network != nil {
			continue
		}
		v := c.values.byKey[k.full()]
		if v == nil || v.file == "" {
			v = l.defaultValue(k, v, d)
		}
		if k.set != nil {
			l.set(k, v, func(text string) error { return k.set(c, text) })
		}
		c.effective[k.full()] = v.text
	}
	for _, v := range c.values.list {
		if v.key == nil || v.key.set != nil || v.key.network != nil {
			continue
		}
		if k := restOf(v.section); k != nil {
			l.set(k, v, func(text string) error { return k.rest(c, v.name, text) })
		}
	}
	l.applyNetworks()
	c.Server.PasswordSet = c.Server.Password != ""
}

// defaultValue gives the value of a key that no file sets; v is its entry among
// the values if the Python mdserver had such a default.
func (l *loader) defaultValue(k *key, v *value, d *defaults) *value {
	def := k.def
	if k.derive != nil {
		def = k.derive(d)
	}
	if v == nil {
		v = &value{section: k.section, name: k.name, key: k}
	}
	v.text, v.seen = pyText(def), def
	return v
}

// set hands one text to a key, without quotes where they carry no meaning.
func (l *loader) set(k *key, v *value, set func(string) error) {
	if bare := kind.Unquote(v.text); k.quotes && bare != v.text {
		l.warn(Warning{File: v.file, Line: v.line, Key: v.full(), Level: slog.LevelWarn,
			Text: "the quotes are not part of the value and are dropped"})
		v.text, v.seen = bare, seenAs(k, bare)
	}
	if err := set(v.text); err != nil {
		l.problem(v, err.Error(), k.accepts)
	}
}

// userinfo is the part of a URL that may have a password.
var userinfo = regexp.MustCompile(`://[^/@]*@`)

// problem blames one value.
func (l *loader) problem(v *value, reason, accepted string) {
	p := &Problem{File: v.file, Line: v.line, Key: v.full(), Reason: reason, Accepted: accepted}
	if !v.secret() {
		p.Value, p.Shown = userinfo.ReplaceAllString(v.text, "://…@"), true
	} else {
		p.Reason += " (the value is secret)"
	}
	l.problems = append(l.problems, p)
}

// restOf finds the row that takes a section's free keys.
func restOf(section string) *key {
	for i := range table {
		if table[i].section == section && table[i].rest != nil {
			return &table[i]
		}
	}
	return nil
}
