package instance

import (
	"slices"
	"strings"
)

// HostNames are a guest's names in the DNS of a network, in the order of
// entry_order: base is the host name itself, prefix has the prefix before it,
// domain (or fqdn) has the domain behind that. What needs a prefix or a domain
// that is not configured is left out.
func HostNames(hostname, prefix, domain string, entryOrder []string) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	prefixed := prefix + hostname
	for _, kind := range entryOrder {
		switch kind = strings.ToLower(strings.TrimSpace(kind)); {
		case strings.HasPrefix(kind, "base"):
			add(hostname)
		case strings.HasPrefix(kind, "prefix") && prefix != "":
			add(prefixed)
		case (kind == "domain" || kind == "fqdn") && domain != "":
			add(prefixed + "." + domain)
		}
	}
	return names
}

// Rivals are the host names, hostname among them, that share a name with it in
// the DNS of the network: with the prefix lab- these are web and lab-web, since
// web is lab-web there, too. All are in lower case.
func (n Network) Rivals(hostname string) []string {
	hostname, prefix := strings.ToLower(hostname), strings.ToLower(n.NamePrefix)
	domain := ""
	if n.Domain != "" {
		domain = "." + strings.ToLower(n.Domain)
	}
	var rivals []string
	add := func(name string) {
		if name != "" && !slices.Contains(rivals, name) {
			rivals = append(rivals, name)
		}
	}
	for _, name := range []string{hostname, prefix + hostname, hostname + domain, prefix + hostname + domain} {
		for _, short := range []string{name, strings.TrimSuffix(name, domain)} {
			add(short)
			add(strings.TrimPrefix(short, prefix))
		}
	}
	return rivals
}
