package daemon

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/instance"
)

// Two guests, and an address that is nobody's.
const fromGuest, fromOther, fromNobody = "10.122.0.10", "10.122.0.11", "10.122.200.200"

const ttl, tokenPath = "X-aws-ec2-metadata-token-ttl-seconds: ", "/latest/api/token"

// twoGuests is the chain with a server that asks for tokens as mode says, and
// with more lines of configuration.
func twoGuests(t *testing.T, mode string, more ...string) http.Handler {
	t.Helper()
	var domains []instance.Domain
	for i, ip := range []string{fromGuest, fromOther} {
		domains = append(domains, instance.Domain{
			Name: "web" + string(rune('1'+i)), UUID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(ip)),
			Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 0, 0, byte(i)}, Network: "mds"}},
			Metadata:   instance.Metadata{Values: map[string]string{instance.KeyIPv4: ip, instance.KeyUserdataPrefix: "nothing"}},
		})
	}
	handler, _ := newHandlerFor(t, t.TempDir(), "request_rate = 0\nimds = "+mode+"\n"+strings.Join(more, "\n")+"\n[dnsmasq]\nrun = off\n", domains...)
	return handler
}

// What a client must not get, and the status by which it knows: 404 is absence,
// 401 asks for a new token, 403, 404 and 405 on a PUT send Amazon's clients to
// version 1, 400 ends it. Tokens that have expired are tested in package imds,
// which has a clock of its own.
func TestRefusals(t *testing.T) {
	optional, required, off := twoGuests(t, "optional"), twoGuests(t, "required"), twoGuests(t, "off")
	exempt := twoGuests(t, "required", "imds_exempt = openstack")
	others := "X-aws-ec2-metadata-token: " + frontendtest.AskWith(required, fromOther, "PUT", tokenPath, ttl+"60").Body.String()
	foreign := "X-aws-ec2-metadata-token: " + frontendtest.AskWith(optional, fromGuest, "PUT", tokenPath, ttl+"60").Body.String()
	tests := []struct {
		name         string
		server       http.Handler
		from         string
		method, path string
		header       string
		status       int
	}{
		{"a token for nobody", required, fromNobody, "PUT", tokenPath, ttl + "60", 400},
		{"a token without a lifetime", required, fromGuest, "PUT", tokenPath, "", 400},
		{"a token of no time", required, fromGuest, "PUT", tokenPath, ttl + "0", 400},
		{"a token of too long a time", required, fromGuest, "PUT", tokenPath, ttl + "21601", 400},
		{"a token under a dated version", required, fromGuest, "PUT", "/2021-03-23/api/token", ttl + "60", 403},
		{"a token under a version that is none", required, fromGuest, "PUT", "/2021-03-24/api/token", ttl + "60", 404},
		{"a token by GET", required, fromGuest, "GET", tokenPath, ttl + "60", 405},
		{"a token by POST", required, fromGuest, "POST", tokenPath, ttl + "60", 405},
		{"a token where there are none", off, fromGuest, "PUT", tokenPath, ttl + "60", 404},
		{"a token for nobody where there are none", off, fromNobody, "PUT", tokenPath, ttl + "60", 404},

		{"a read without a token", required, fromGuest, "GET", "/latest/meta-data/instance-id", "", 401},
		{"a listing without a token", required, fromGuest, "GET", "/", "", 401},
		{"the identity document without a token", required, fromGuest, "GET", "/latest/dynamic/instance-identity/document", "", 401},
		{"OpenStack's listing without a token", required, fromGuest, "GET", "/openstack", "", 401},
		{"OpenStack's metadata without a token", required, fromGuest, "GET", "/openstack/latest/meta_data.json", "", 401},
		{"OpenStack's user-data without a token", required, fromGuest, "GET", "//openstack/latest/user_data", "", 401},
		{"vendor-data without a token", required, fromGuest, "GET", "/openstack/latest/vendor_data.json", "", 401},
		{"the posted password without a token", required, fromGuest, "GET", "/openstack/latest/password", "", 401},
		{"a POST of a password without a token", required, fromGuest, "POST", "/openstack/latest/password", "", 401},
		{"a seed without a token", required, fromGuest, "GET", "/nocloud/meta-data", "", 401},
		{"a seed's user-data without a token", required, fromGuest, "GET", "/nocloud/user-data", "", 401},
		{"a seed's vendor-data without a token", required, fromGuest, "HEAD", "/nocloud/vendor-data", "", 401},
		{"a seed with another guest's token", required, fromGuest, "GET", "/nocloud/meta-data", others, 401},
		{"a seed with another guest's token where none is needed", optional, fromGuest, "GET", "/nocloud/meta-data", others, 401},
		{"a seed where OpenStack alone is exempt", exempt, fromGuest, "GET", "/nocloud/meta-data", "", 401},
		{"the EC2 tree where OpenStack is exempt", exempt, fromGuest, "GET", "/latest/user-data", "", 401},
		{"another guest's token", required, fromGuest, "GET", "/latest/meta-data/instance-id", others, 401},
		{"another guest's token where none is needed", optional, fromGuest, "GET", "/latest/user-data", others, 401},
		{"another server's token", required, fromGuest, "GET", "/latest/meta-data/instance-id", foreign, 401},
		{"a token that is none", required, fromGuest, "GET", "/latest/meta-data/instance-id", "X-aws-ec2-metadata-token: x", 401},

		{"nobody's metadata", optional, fromNobody, "GET", "/latest/meta-data/instance-id", "", 400},
		{"nobody's metadata with a token", required, fromNobody, "GET", "/latest/meta-data/instance-id", others, 400},
		{"nobody's user-data", optional, fromNobody, "GET", "/latest/user-data", "", 400},
		{"nobody's meta_data.json", optional, fromNobody, "GET", "/openstack/latest/meta_data.json", "", 400},
		{"nobody's seed", optional, fromNobody, "GET", "/nocloud/meta-data", "", 400},
		{"a domain from a guest", optional, fromGuest, "POST", "/instance-upload", "", 401},
		{"the configuration", optional, fromGuest, "GET", "/service/configuration", "", 401},

		{"no user-data", optional, fromGuest, "GET", "/latest/user-data", "", 404},
		{"no user-data in OpenStack", optional, fromGuest, "GET", "/openstack/latest/user_data", "", 404},
		{"no public address", optional, fromGuest, "GET", "/latest/meta-data/public-ipv4", "", 404},
		{"no IPv6 address", optional, fromGuest, "GET", "/latest/meta-data/ipv6", "", 404},
		{"no keys", optional, fromGuest, "GET", "/latest/meta-data/public-keys/", "", 404},
		{"no first key", optional, fromGuest, "GET", "/latest/meta-data/public-keys/0/openssh-key", "", 404},
		{"no tags", optional, fromGuest, "GET", "/latest/meta-data/tags/instance/", "", 404},
		{"no role", optional, fromGuest, "GET", "/latest/meta-data/iam/security-credentials/", "", 404},
		{"no interface of another guest's", optional, fromGuest, "GET", "/latest/meta-data/network/interfaces/macs/52:54:00:00:00:01/", "", 404},
		{"an unknown version", optional, fromGuest, "GET", "/2030-01-01/meta-data/instance-id", "", 404},
		{"an unknown version of OpenStack's", optional, fromGuest, "GET", "/openstack/2030-01-01/meta_data.json", "", 404},
		{"a file that came with a later version", optional, fromGuest, "GET", "/openstack/2016-06-30/vendor_data2.json", "", 404},
		{"a file that NoCloud has not", optional, fromGuest, "GET", "/nocloud/network-interfaces", "", 404},
		{"another cloud's metadata", optional, fromGuest, "GET", "/computeMetadata/v1/instance/id", "", 404},

		{"a POST of metadata", optional, fromGuest, "POST", "/latest/meta-data/instance-id", "", 405},
		{"a PUT of user-data", optional, fromGuest, "PUT", "/latest/user-data", "", 405},
		{"a DELETE of OpenStack's metadata", optional, fromGuest, "DELETE", "/openstack/latest/meta_data.json", "", 405},
		{"a PUT of a password", optional, fromGuest, "PUT", "/openstack/latest/password", "", 405},
		{"a POST of a seed", optional, fromGuest, "POST", "/nocloud/meta-data", "", 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if tt.header != "" {
				headers = []string{tt.header}
			}
			w := frontendtest.AskWith(tt.server, tt.from, tt.method, tt.path, headers...)
			if w.Code != tt.status || w.Body.Len() == 0 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
				t.Errorf("%d %v %q, want %d with a reason", w.Code, w.Header(), w.Body, tt.status)
			}
		})
	}
	if w := frontendtest.AskWith(required, fromGuest, "PUT", tokenPath, ttl+"60", "X-Forwarded-For: 10.0.0.1"); w.Code != 403 {
		t.Errorf("a token through a proxy: %d %s, want 403", w.Code, w.Body)
	}
}

// What is absent without harm is there all the same where a client would ask
// for it again and again.
func TestEmptyAnswers(t *testing.T) {
	server := twoGuests(t, "required", "imds_exempt = openstack, nocloud")
	for path, want := range map[string]string{
		"/nocloud/user-data": "", "/nocloud/vendor-data": "", "/openstack/latest/password": "",
		"/openstack/latest/vendor_data.json": "{}\n", "/openstack/latest/vendor_data2.json": "{}\n",
	} {
		if w := frontendtest.AskWith(server, fromGuest, "GET", path); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %q, want 200 with %q", path, w.Code, w.Body, want)
		}
	}
}
