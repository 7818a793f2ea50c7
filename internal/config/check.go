package config

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mdserver/internal/config/kind"
	"mdserver/internal/instance"
)

// check looks at what one value alone does not tell.
func (l *loader) check() {
	if len(l.problems) == 0 {
		l.checkNetwork()
		l.checkNetwork6()
		l.checkNetworks()
		l.checkPaths()
		l.checkMetrics()
		l.checkStore()
	}
	l.checkLease()
	l.checkPublicKeys()
	l.checkItems()
}

// place finds the value to blame: the first of the keys that a file sets, else
// the first one's default.
func (l *loader) place(names ...string) *value {
	for _, name := range names {
		if v := l.config.values.byKey[name]; v != nil && v.file != "" {
			return v
		}
	}
	k := index[names[0]]
	return &value{section: k.section, name: k.name, key: k, text: l.config.effective[names[0]]}
}

func (l *loader) warnAt(v *value, format string, args ...any) {
	l.warn(Warning{File: v.file, Line: v.line, Key: v.full(), Level: slog.LevelWarn, Text: fmt.Sprintf(format, args...)})
}

func (l *loader) checkNetwork() {
	d := &l.config.Dnsmasq
	d.Network = netip.PrefixFrom(d.netAddress, d.netPrefix).Masked()
	if d.Network.Addr() != d.netAddress {
		l.warnAt(l.place("dnsmasq.net_address", "dnsmasq.net_prefix"), "is an address within the network, which is %s", d.Network)
	}
	blame := l.place("dnsmasq.gateway", "dnsmasq.net_address", "dnsmasq.net_prefix")
	accepted := fmt.Sprintf("a gateway within the network, from %s to %s",
		d.Network.Addr().Next(), instance.LastAddr(d.Network).Prev())
	switch {
	case !d.Network.Contains(d.Gateway):
		l.problem(blame, fmt.Sprintf("the gateway %s is not in the network %s", d.Gateway, d.Network), accepted)
	case d.Gateway == d.Network.Addr():
		l.problem(blame, fmt.Sprintf("the gateway %s is the address of the network itself", d.Gateway), accepted)
	case d.Gateway == instance.LastAddr(d.Network):
		l.problem(blame, fmt.Sprintf("the gateway %s is the broadcast address", d.Gateway), accepted)
	}
	l.checkReserved("dnsmasq.reserved", d.Reserved, d.Network)
}

func (l *loader) checkNetwork6() {
	d := &l.config.Dnsmasq
	if !d.netAddress6.IsValid() {
		d.Gateway6 = netip.Addr{}
		for _, name := range []string{"dnsmasq.gateway6", "dnsmasq.reserved6"} {
			if v := l.config.values.byKey[name]; v != nil && !kind.IsNone(v.text) {
				l.warnAt(v, "has no effect without dnsmasq.net_address6")
			}
		}
		return
	}
	d.Network6 = netip.PrefixFrom(d.netAddress6, d.netPrefix6).Masked()
	if d.Network6.Addr() != d.netAddress6 {
		l.warnAt(l.place("dnsmasq.net_address6"), "is an address within the network, which is %s", d.Network6)
	}
	if !d.Gateway6.IsValid() {
		d.Gateway6 = d.Network6.Addr().Next()
	}
	if !d.Network6.Contains(d.Gateway6) || d.Gateway6 == d.Network6.Addr() {
		l.problem(l.place("dnsmasq.gateway6", "dnsmasq.net_address6"),
			fmt.Sprintf("the gateway %s is not a host address in the network %s", d.Gateway6, d.Network6),
			fmt.Sprintf("an address from %s to %s", d.Network6.Addr().Next(), instance.LastAddr(d.Network6)))
	}
	l.checkReserved("dnsmasq.reserved6", d.Reserved6, d.Network6)
}

func (l *loader) checkReserved(name string, reserved []instance.AddrRange, network netip.Prefix) {
	for _, r := range reserved {
		if !network.Contains(r.First) && !network.Contains(r.Last) && !r.Contains(network.Addr()) {
			l.warnAt(l.place(name), "%s is outside the network %s", r, network)
		}
	}
}

// checkPaths keeps files apart that must not be one.
func (l *loader) checkPaths() {
	s := &l.config.Server
	same := func(a, b string) bool { return filepath.Clean(a) == filepath.Clean(b) }
	if same(s.Database, s.DBFile) {
		l.problem(l.place("mdserver.database", "mdserver.db_file"),
			"is the same file as mdserver.db_file, which has the Python mdserver's format", "a file of its own")
	}
	switch {
	case same(s.Identity, s.Database):
		l.problem(l.place("mdserver.identity", "mdserver.database"), "is the same file as mdserver.database", "a file of its own")
	case same(s.Identity, s.DBFile):
		l.problem(l.place("mdserver.identity", "mdserver.db_file"), "is the same file as mdserver.db_file", "a file of its own")
	}
}

func (l *loader) checkLease() {
	if n := l.config.Dnsmasq.LeaseLen; n > 0 && n < 2*time.Minute {
		l.warnAt(l.place("dnsmasq.lease_len"), "dnsmasq's minimum is 120 seconds")
	}
}

func (l *loader) checkPublicKeys() {
	for _, v := range l.config.values.list {
		if v.section != "public-keys" || v.file == "" {
			continue
		}
		switch {
		case v.text == "":
			l.warnAt(v, "is empty and is ignored")
		case v.text == notConfigured:
		case !looksLikePublicKey(v.text):
			l.warnAt(v, "does not look like an OpenSSH public key, guests get it unchanged")
		}
		if strings.Contains(v.name, "/") {
			l.warnAt(v, "has a slash in its name, guests can fetch it by its number only")
		}
	}
}

// looksLikePublicKey looks for "TYPE BASE64" as in authorized_keys, perhaps
// after options. The first string within the base64 repeats the type.
func looksLikePublicKey(text string) bool {
	fields := strings.Fields(text)
	for i := range len(fields) - 1 {
		blob, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(fields[i+1], "="))
		if err != nil || len(blob) < 4 || !looksLikeType(fields[i]) {
			continue
		}
		return strings.HasPrefix(string(blob[4:]), fields[i])
	}
	return false
}

func looksLikeType(word string) bool {
	for _, prefix := range []string{"ssh-", "ecdsa-", "sk-"} {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	return false
}

// checkItems looks for names in _config_items_ that give a template nothing.
func (l *loader) checkItems() {
	for _, item := range l.config.ConfigItems {
		section, name, _ := strings.Cut(item, ".")
		known := l.config.values.byKey[item] != nil || slices.ContainsFunc(table, func(k key) bool { return k.full() == item })
		if !known {
			l.warnAt(l.place("template-data._config_items_"), "names %q, which is not a key and is ignored%s", item, nearestKey(section, name))
		}
	}
}
