package httpcommon

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Hosts are the accepted addresses and names of this server. With any other Host,
// the sender meant another server: for example a browser, if the name of a web
// page resolves to this server's address.
type Hosts struct {
	addrs map[netip.Addr]bool
	names map[string]bool
}

// NewHosts makes a list of addresses and names. For each request, the local
// address of its connection is accepted, too.
func NewHosts(addrs []netip.Addr, names []string) *Hosts {
	h := &Hosts{map[netip.Addr]bool{}, map[string]bool{}}
	for _, addr := range addrs {
		if !addr.IsUnspecified() {
			h.addrs[addr.Unmap().WithZone("")] = true
		}
	}
	for _, name := range names {
		if name != "" {
			h.names[normalHost(name)] = true
		}
	}
	return h
}

// Only answers 421 to requests for other hosts. A request without a Host, as in
// HTTP/1.0, is accepted. Only expects a known caller.
func (h *Hosts) Only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "" && !h.serve(r) {
			w.Header().Set("Connection", "close")
			Refuse(w, http.StatusMisdirectedRequest, "Misdirected request: this server has no such name or address; see accept_hosts")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *Hosts) serve(r *http.Request) bool {
	host, ok := hostOf(r.Host)
	if !ok {
		return false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		name := normalHost(host)
		return h.names[name] || name == "localhost" && Caller(r).IsLocal()
	}
	addr = addr.Unmap().WithZone("")
	if h.addrs[addr] {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.AddrPort().Addr().Unmap().WithZone("") == addr
}

// hostOf takes the port, which may be a translated one, and brackets off a Host.
func hostOf(host string) (string, bool) {
	if name, rest, bracketed := strings.Cut(host, "]"); bracketed {
		literal, ok := strings.CutPrefix(name, "[")
		// RFC 6874 has the zone's percent sign written as %25
		return strings.Replace(literal, "%25", "%", 1), ok && (rest == "" || isPort(rest))
	}
	if name, port, ok := strings.Cut(host, ":"); ok {
		return name, isPort(":" + port)
	}
	return host, true
}

func isPort(text string) bool {
	return text[0] == ':' && strings.Trim(text[1:], "0123456789") == ""
}

// normalHost is a name as names are compared: a final dot means nothing here.
func normalHost(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
