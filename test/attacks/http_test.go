//go:build e2e

package attacks

import (
	"fmt"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// notFooled sends a request of the attacker's by each way and checks that it
// gets neither what is the victim's nor what is the host's, and that what is
// hidden in it is not answered.
func (a *arena) notFooled(t *testing.T, what string, text func(way) string) {
	t.Helper()
	for _, w := range ways {
		got, _ := ask(a.attacker, w, text(w))
		a.safe(t, what+" by "+w.String(), got)
		if strings.Contains(got, "userdata_dir") || strings.Contains(got, "root:x:0") || strings.Contains(got, hostSecret) {
			t.Errorf("%s by %s: what is the host's is given away: %.200q", what, w, got)
		}
	}
}

// hidden is the request that smugglers hide: whether it was read as one shows.
func hidden(w way) string { return get(w, "/latest/meta-data/mac", "X-Hidden: yes") }

// smuggles checks that a hidden request gets no answer.
func (a *arena) smuggles(t *testing.T, what string, text func(way) string) {
	t.Helper()
	for _, w := range ways {
		got, _ := ask(a.attacker, w, text(w))
		if strings.Contains(got, a.attacker.MAC) {
			t.Errorf("%s by %s: the request that was hidden is answered: %.300q", what, w, got)
		}
		if code := status(got); code >= 200 && code < 300 {
			t.Errorf("%s by %s: the request is accepted: %.200q", what, w, got)
		}
	}
}

// TestPipelinedRequestsOfTheRightfulGuest is the control of tests by smuggling:
// what is a second request is answered.
func TestPipelinedRequestsOfTheRightfulGuest(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			got, err := ask(a.attacker, w, request(w, "GET", "/latest/meta-data/local-hostname")+hidden(w))
			if err != nil || !strings.Contains(got, a.attacker.MAC) || !strings.Contains(got, a.attacker.inst.Hostname) {
				t.Errorf("%v %.300q", err, got)
			}
		})
	})
}

func TestSmuggleByTwoContentLengths(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, pair := range [][2]string{{"0", "%d"}, {"%d", "0"}, {"5", "6"}, {"%d, 0", "%[1]d"}} {
			a.smuggles(t, fmt.Sprint(pair), func(w way) string {
				body := hidden(w)
				fill := func(s string) string {
					if strings.Contains(s, "%") {
						return fmt.Sprintf(strings.ReplaceAll(s, "%d", "%[1]d"), len(body))
					}
					return s
				}
				return request(w, "POST", "/latest/user-data", "Content-Length: "+fill(pair[0]), "Content-Length: "+fill(pair[1])) + body
			})
		}
	})
}

func TestSmuggleByContentLengthAndChunks(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		a.smuggles(t, "a length and chunks", func(w way) string {
			return request(w, "POST", "/openstack/latest/nothing", "Content-Length: 4", "Transfer-Encoding: chunked", "Connection: close") + "0\r\n\r\n" + hidden(w)
		})
		a.smuggles(t, "chunks and a length", func(w way) string {
			return request(w, "POST", "/openstack/latest/nothing", "Transfer-Encoding: chunked", "Content-Length: 6", "Connection: close") + "0\r\n\r\nX" + hidden(w)
		})
	})
}

func TestSmuggleByTransferEncodingTricks(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, header := range []string{
			"Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked",
			"Transfer-Encoding:\x0bchunked", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "X: y\nTransfer-Encoding: chunked",
			"Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked\x00",
		} {
			a.smuggles(t, header, func(w way) string {
				body := "0\r\n\r\n" + hidden(w)
				return request(w, "POST", "/latest/user-data", contentLength(body), header, "Connection: close") + body
			})
		}
	})
}

func TestSmuggleByBadChunks(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, chunks := range []string{"-1\r\n", "0x0\r\n\r\n", "ffffffffffffffffff\r\n", "1;\n\nX", "\r\n", "0\n\n", "1\r\nXX0\r\n\r\n", " 0\r\n\r\n", "0\r\nHost: evil", "+0\r\n\r\n", "0_0\r\n\r\n"} {
			a.smuggles(t, fmt.Sprintf("%q", chunks), func(w way) string {
				return request(w, "POST", "/latest/user-data", "Transfer-Encoding: chunked", "Connection: close") + chunks + hidden(w)
			})
		}
	})
}

func TestSmuggleByFoldedHeader(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, fold := range []string{"X-A: b\r\n Content-Length: 500", "X-A: b\r\n\tTransfer-Encoding: chunked", " X-A: b", "\tContent-Length: 5"} {
			a.smuggles(t, fmt.Sprintf("%q", fold), func(w way) string {
				return request(w, "POST", "/latest/user-data", fold, "Connection: close") + hidden(w)
			})
		}
	})
}

func TestSmuggleByBareLineFeed(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, path := range []string{"/latest/user-data\nX: y", "/latest/\rX"} {
			a.smuggles(t, fmt.Sprintf("%q", path), func(w way) string {
				return "POST " + path + " HTTP/1.1\r\nHost: " + w.host() + "\r\nConnection: close\r\n\r\n" + hidden(w)
			})
		}
	})
}

func TestSmuggleByNUL(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, r := range []string{"POST /latest/user-data\x00 HTTP/1.1", "POST\x00 /latest/user-data HTTP/1.1", "POST /latest/user-data HTTP/1.1\x00"} {
			a.smuggles(t, fmt.Sprintf("%q", r), func(w way) string {
				return r + "\r\nHost: " + w.host() + "\r\nX\x00: y\r\nConnection: close\r\n\r\n" + hidden(w)
			})
		}
		a.smuggles(t, "in a header", func(w way) string {
			return "POST /latest/user-data HTTP/1.1\r\nHost: " + w.host() + "\r\nX: \x00\r\nContent-Length\x00: 500\r\nConnection: close\r\n\r\n" + hidden(w)
		})
	})
}

// Headers by which proxies tell for whom they ask are nobody's here.
func TestForwardedHeadersOfVictimOrHost(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		names := []string{"X-Forwarded-For", "X-Real-IP", "True-Client-IP", "X-Client-IP", "CF-Connecting-IP", "X-Originating-IP", "X-Remote-Addr", "X-Cluster-Client-IP", "Client-IP", "Via", "X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override"}
		values := []string{"127.0.0.1", "::1", "localhost", lab.Gateway, a.victim.inst.IPv4.String(), a.victim.inst.IPv6.String(), "/service/configuration"}
		for _, value := range values {
			headers := []string{"Forwarded: for=" + value, "Forwarded: for=\"[" + value + "]\";by=_hidden;host=localhost"}
			for _, name := range names {
				headers = append(headers, name+": "+value)
			}
			a.notFooled(t, value, func(w way) string {
				return request(w, "GET", "/service/configuration", headers...) + request(w, "POST", "/instance-upload", append(headers, "Content-Length: 0")...) + everything(w, headers...)
			})
		}
	})
}

func TestProxyProtocolInTheNameOfVictim(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		a.notFooled(t, "version 1", func(w way) string {
			return "PROXY TCP4 " + a.victim.inst.IPv4.String() + " " + lab.MetadataAddr + " 1000 80\r\n" + everything(w)
		})
		a.notFooled(t, "version 2", func(w way) string {
			v4 := a.victim.inst.IPv4.As4()
			return "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + string(v4[:]) + "\xa9\xfe\xa9\xfe\x10\x00\x00\x50" + everything(w)
		})
	})
}

// climbs are prefixes that lead out of a directory, if something takes them for
// what they are not.
var climbs = []string{
	"/..", "/../..", "/%2e%2e", "/%2e%2e/%2e%2e/%2e%2e", "/..%2f..%2f..", "/..%5c..", "/..\\..\\..", "/%252e%252e", "/..;/..", "/.%00./..", "/%c0%ae%c0%ae",
	"//", "/./", "/%00", "/..%00/", "/....//....//", "/%u002e%u002e", "/;/..",
}

func (a *arena) climb(t *testing.T, from ...string) {
	t.Helper()
	for _, base := range from {
		for _, up := range climbs {
			for _, target := range []string{"/etc/passwd", "/service/configuration", "/instance-upload", "/v1/instances", "/userdata/" + a.victim.Label + ".yaml"} {
				a.notClimbed(t, base+up+target)
			}
		}
	}
}

func (a *arena) notClimbed(t *testing.T, path string) {
	t.Helper()
	got, _ := ask(a.attacker, byIPv4, get(byIPv4, path))
	a.safe(t, path, got)
	if !refused(got) || strings.Contains(got, "root:x:0") || strings.Contains(got, "userdata_dir") {
		t.Errorf("%q is answered: %.200q", path, got)
	}
}

func TestTraverseEC2Paths(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) { a.climb(t, "/latest/meta-data", "/latest/user-data") })
}

func TestTraverseOpenStackPaths(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) { a.climb(t, "/openstack/latest") })
}

func TestTraverseNoCloudPaths(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) { a.climb(t, "/nocloud") })
}

func TestTraverseServicePaths(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) { a.climb(t, "/service", "") })
}

// The victim's names in path and query: whose data is asked is never asked.
func TestNameVictimInPathOrQuery(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, ref := range []string{a.victim.inst.Name, a.victim.inst.UUID.String(), a.victim.inst.ID, a.victim.MAC, a.victim.inst.IPv4.String(), a.victim.inst.IPv6.String()} {
			a.notFooled(t, ref, func(w way) string {
				var b strings.Builder
				for _, path := range []string{
					"/latest/user-data?instance=", "/latest/user-data?ip=", "/latest/user-data/", "/latest/meta-data/?ref=", "/nocloud/user-data?id=", "/nocloud/",
					"/openstack/latest/user_data?ref=", "/v1/user-data?ref=", "/v1/instance?ref=", "/v1/password?ref=", "/latest/meta-data/network/interfaces/macs/",
				} {
					b.WriteString(request(w, "GET", path+ref))
				}
				return b.String() + get(w, "/latest/meta-data/tags/instance/"+ref)
			})
		}
	})
}

// What the control socket answers, nobody is answered by TCP.
func TestAskControlInterfaceByTCP(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, path := range []string{"/v1/instances", "/v1/status", "/v1/export?format=legacy", "/v1/identity", "/v1/explain?ref=" + a.victim.inst.Name, "/debug/pprof/", "/debug/vars", "/metrics"} {
			a.notClimbed(t, path)
		}
		for _, r := range []struct{ method, path string }{
			{"POST", "/v1/instances"}, {"DELETE", "/v1/instance?ref=" + a.victim.inst.Name}, {"POST", "/v1/reload"}, {"POST", "/v1/reprovision?ref=" + a.victim.inst.Name},
		} {
			got, _ := ask(a.attacker, byIPv4, request(byIPv4, r.method, r.path, "Content-Length: 0", "Connection: close"))
			if !refused(got) {
				t.Errorf("%s %s: %.200q", r.method, r.path, got)
			}
		}
		a.served(t)
	})
}

func TestHostileMethods(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, method := range []string{"TRACE", "TRACK", "CONNECT", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "MOVE", "get", "G\x1bT", strings.Repeat("A", 16_000), "PRI"} {
			a.notFooled(t, fmt.Sprintf("%.20q", method), func(w way) string {
				return request(w, method, "/latest/user-data", "X-Secret: "+hostSecret[:9], "Content-Length: 0", "Connection: close")
			})
			got, _ := ask(a.attacker, byIPv4, request(byIPv4, method, "/latest/user-data", "X-Echo: echo-mark", "Content-Length: 0", "Connection: close"))
			if !refused(got) || strings.Contains(got, "echo-mark") {
				t.Errorf("%.20q: %.200q", method, got)
			}
		}
	})
}

func TestSwitchToAnotherProtocol(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for name, text := range map[string]func(way) string{
			"HTTP/2 by upgrade": func(w way) string {
				return request(w, "GET", "/latest/meta-data/mac", "Connection: Upgrade, HTTP2-Settings, close", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
			},
			"HTTP/2 at once": func(way) string { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00" },
			"WebSocket": func(w way) string {
				return request(w, "GET", "/latest/meta-data/mac", "Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
			},
			"TLS":      func(way) string { return "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500) },
			"HTTP/0.9": func(way) string { return "GET /latest/user-data\r\n" },
			"HTTP/3.0": func(w way) string { return "GET /latest/user-data HTTP/3.0\r\nHost: " + w.host() + "\r\n\r\n" },
		} {
			a.notFooled(t, name, text)
			got, _ := ask(a.attacker, byIPv4, text(byIPv4))
			if status(got) == 101 || strings.HasPrefix(got, "\x00\x00") {
				t.Errorf("%s: the protocol is switched: %.100q", name, got)
			}
		}
	})
}

// foreignHosts are what a page that rebound its name, or a proxy that was
// fooled, says it asks.
var foreignHosts = []string{
	"evil.example", "localhost", "localhost:80", "169.254.169.254.evil.example", "169.254.169.254@evil.example", "evil.example#169.254.169.254", "metadata.evil.example:80",
	"169.254.169.254.", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "[::ffff:169.254.169.254].evil.example", "192.0.2.1", "[2001:db8::99]", "127.0.0.1", "x",
}

func TestHostOfReboundName(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, host := range foreignHosts {
			for _, path := range append(secretPaths, "/", "/latest/meta-data/", "/service/name") {
				got, _ := ask(a.attacker, byIPv4, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
				if !refused(got) || strings.Contains(got, a.attacker.secret) {
					t.Errorf("Host %s: %s is answered: %.120q", host, path, got)
					break
				}
			}
		}
	})
}

func TestAbsoluteFormOfReboundName(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, host := range foreignHosts {
			for _, header := range []string{lab.MetadataAddr, host} {
				got, _ := ask(a.attacker, byIPv4, "GET http://"+host+"/latest/user-data HTTP/1.1\r\nHost: "+header+"\r\nConnection: close\r\n\r\n")
				if !refused(got) {
					t.Errorf("http://%s with Host %s is answered: %.120q", host, header, got)
				}
			}
		}
	})
}

func TestTokenForReboundName(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, host := range foreignHosts {
			got, _ := ask(a.attacker, byIPv4, "PUT /latest/api/token HTTP/1.1\r\nHost: "+host+"\r\n"+ttl+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			if !refused(got) {
				t.Errorf("Host %s gets a token: %.120q", host, got)
			}
		}
	})
}

// TestHostsOfTheRightfulGuest is the control of tests about Host.
func TestHostsOfTheRightfulGuest(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, head := range []string{
			"GET /latest/user-data HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close", "GET /latest/user-data HTTP/1.1\r\nHost: 169.254.169.254:80\r\nConnection: close",
			"GET /latest/user-data HTTP/1.0", "GET http://169.254.169.254/latest/user-data HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close",
			"GET /latest/user-data HTTP/1.1\r\nHost: [fd00:ec2::254]\r\nConnection: close",
		} {
			if got, err := ask(a.attacker, byIPv4, head+"\r\n\r\n"); !strings.Contains(got, a.attacker.secret) {
				t.Errorf("%q: %v %.200q", head, err, got)
			}
		}
	})
}

// A password is the sender's, whatever the request says.
func TestPostPasswordForVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		const body = "forged-password"
		a.notFooled(t, "a password", func(w way) string {
			return request(w, "POST", "/openstack/latest/password?instance="+a.victim.inst.Name, contentLength(body), "X-Instance-ID: "+a.victim.inst.UUID.String(),
				"X-Forwarded-For: "+a.victim.inst.IPv4.String(), "Connection: close") + body
		})
		if got, err := a.admin.Password(suite.ctx, a.victim.inst.Name); err == nil && strings.Contains(string(got), body) {
			t.Errorf("the victim's password is %q", got)
		}
	})
}
