package httpcommon

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// ask sends a request to a server at 169.254.169.254 by the connection's own
// address 10.122.0.1.
func ask(handler http.Handler, from, host string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host, r.RemoteAddr = host, from
	r.Header = header
	local := &net.TCPAddr{IP: net.IPv4(10, 122, 0, 1), Port: 80}
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(local)))
	w := httptest.NewRecorder()
	Identified(guests{}.identify, LogTo(slog.New(slog.DiscardHandler)), handler).ServeHTTP(w, r)
	return w
}

func TestHosts(t *testing.T) {
	hosts := NewHosts([]netip.Addr{
		netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fe80::a9fe:a9fe%br-mds"), netip.IPv6Unspecified(),
	}, []string{"kvm1.example.net", "kvm1", "instance-data", ""})
	handler := hosts.Only(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { Text(w, "hello") }))
	const guest, host = "10.122.0.5:4711", "127.0.0.1:4711"
	for _, tt := range []struct {
		from, host string
		status     int
	}{
		{guest, "", 200},
		{guest, "169.254.169.254", 200},
		{guest, "169.254.169.254:80", 200},
		{guest, "169.254.169.254:8775", 200},
		{guest, "10.122.0.1", 200},
		{guest, "[::ffff:10.122.0.1]", 200},
		{guest, "[fd00:ec2::254]", 200},
		{guest, "[fd00:ec2::254]:80", 200},
		{guest, "[FD00:EC2:0::254]", 200},
		{guest, "[fe80::a9fe:a9fe%25eth0]", 200},
		{guest, "[fe80::a9fe:a9fe%eth0]:80", 200},
		{guest, "KVM1.example.net.", 200},
		{guest, "kvm1:80", 200},
		{guest, "instance-data.:8773", 200},
		{host, "localhost", 200},
		{host, "localhost:80", 200},

		{guest, "localhost", 421},
		{guest, "evil.example", 421},
		{guest, "evil.example:80", 421},
		{guest, "169.254.169.254.evil.example", 421},
		{guest, "kvm1.example.net.evil.example", 421},
		{guest, "169.254.169.253", 421},
		{guest, "127.0.0.1", 421},
		{host, "evil.example", 421},
		{guest, "[::]", 421},
		{guest, "0.0.0.0", 421},
		{guest, ".", 421},
		{guest, ":80", 421},
		{guest, "]", 421},
		{guest, "[", 421},
		{guest, "[fd00:ec2::254]x", 421},
		{guest, "x[fd00:ec2::254]", 421},
		{guest, "kvm1:8a", 421},
		{guest, "169.254.169.254:80:80", 421},
		{guest, "0xa9fea9fe", 421},
	} {
		w := ask(handler, tt.from, tt.host, nil)
		if ends := w.Header().Get("Connection") == "close"; w.Code != tt.status || ends != (tt.status == 421) {
			t.Errorf("%s for %q: %d %s, want %d; it ends the connection: %v", tt.from, tt.host, w.Code, w.Body, tt.status, ends)
		}
	}
}

func FuzzHosts(f *testing.F) {
	for _, host := range []string{"", "[fe80::1%25eth0]:80", "]", "[", "a:b", "1.2.3.4"} {
		f.Add(host)
	}
	handler := NewHosts([]netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil).Only(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	f.Fuzz(func(t *testing.T, host string) {
		if w := ask(handler, "10.122.0.5:4711", host, nil); w.Code != 200 && w.Code != 421 {
			t.Errorf("%q: %d", host, w.Code)
		}
	})
}

func TestPrivileged(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if Privileged(w, r) {
			Text(w, "hello")
		}
	})
	for _, tt := range []struct {
		from, name, value string
		status            int
	}{
		{"127.0.0.1:4711", "User-Agent", "curl/8.14.1", 200},
		{"127.0.0.1:4711", "Sec-Fetch-Site", "none", 200},
		{"127.0.0.1:4711", "Sec-Fetch-Site", "same-origin", 200},
		{"10.122.0.5:4711", "User-Agent", "curl/8.14.1", 401},
		{"10.122.0.5:4711", "X-Forwarded-For", "127.0.0.1", 401},
		{"127.0.0.1:4711", "Origin", "http://evil.example", 403},
		{"127.0.0.1:4711", "Origin", "null", 403},
		{"127.0.0.1:4711", "Origin", "", 403},
		{"127.0.0.1:4711", "Sec-Fetch-Site", "cross-site", 403},
		{"127.0.0.1:4711", "Sec-Fetch-Site", "same-site", 403},
		{"127.0.0.1:4711", "Sec-Fetch-Site", "", 403},
		{"127.0.0.1:4711", "X-Forwarded-For", "127.0.0.1", 403},
		{"127.0.0.1:4711", "X-Forwarded-Host", "169.254.169.254", 403},
		{"127.0.0.1:4711", "Forwarded", "for=127.0.0.1", 403},
		{"127.0.0.1:4711", "X-Real-IP", "127.0.0.1", 403},
		{"127.0.0.1:4711", "Via", "1.1 proxy", 403},
	} {
		header := http.Header{}
		header.Set(tt.name, tt.value)
		if w := ask(handler, tt.from, "169.254.169.254", header); w.Code != tt.status {
			t.Errorf("%s with %s %q: %d %s, want %d", tt.from, tt.name, tt.value, w.Code, w.Body, tt.status)
		}
	}
	both := http.Header{"Sec-Fetch-Site": {"none", "cross-site"}}
	if w := ask(handler, "127.0.0.1:4711", "", both); w.Code != 403 {
		t.Errorf("two values: %d, want 403", w.Code)
	}
}

// A connection's own address is known with the name of its interface, which no Host has.
func TestHostOfALinkLocalConnection(t *testing.T) {
	local := &net.TCPAddr{IP: net.ParseIP("fe80::7"), Port: 80, Zone: "br-mds"}
	handler := NewHosts(nil, nil).Only(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{"[fe80::7]": 200, "[fe80::7%25eth0]:80": 200, "[fe80::8]": 421} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(local))))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
}
