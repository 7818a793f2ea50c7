package daemon

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/instance"
)

// bareDirectory is a directory whose name is listed without a slash.
var bareDirectory = regexp.MustCompile(`^/(latest|2009-04-04)(/meta-data|/dynamic)?$|^/openstack(/[^/]+)?$|^/(nocloud|service)$`)

// everyPath lists all that a guest finds by listings, from the root of each
// frontend down. The EC2 tree is walked in its newest version and in an old one.
func everyPath(t *testing.T, handler http.Handler, from string) []string {
	t.Helper()
	paths := []string{"/", "/latest", "/2009-04-04", "/openstack", "/nocloud", "/service"}
	for i := 1; i < len(paths); i++ {
		path, slash := strings.CutSuffix(paths[i], "/")
		if !slash && !bareDirectory.MatchString(path) {
			continue
		}
		paths[i] = path
		list := frontendtest.AskWith(handler, from, "GET", path).Body.String()
		for name := range strings.SplitSeq(list, "\n") {
			if index, _, isKey := strings.Cut(name, "="); isKey && strings.HasSuffix(path, "/public-keys") {
				name = index + "/"
			}
			paths = append(paths, path+"/"+name)
		}
	}
	return paths
}

// seed is random in each answer.
var seed = regexp.MustCompile(`"random_seed":"[^"]*"`)

// A path gives the same answer with a trailing slash and without, whatever
// frontend it belongs to and whether it is a value or a directory.
func TestTrailingSlash(t *testing.T) {
	d, guest := rich.serve(t, instance.IMDSOptional)
	handler := guestHandler(d)
	from := guest.NICs[0].IPv4.Addr().String()
	paths := everyPath(t, handler, from)
	for _, path := range []string{
		"/latest/user-data", "/2009-04-04/meta-data/placement/availability-zone", "/latest/dynamic/instance-identity/document",
		"/latest/meta-data/public-keys/0/openssh-key", "/latest/meta-data/tags/instance/env", "/openstack/latest/meta_data.json",
		"/openstack/2018-08-27/user_data", "/openstack/latest/password", "/nocloud/user-data", "/service/name",
	} {
		if !slices.Contains(paths, path) {
			t.Errorf("%s is not listed", path)
		}
	}
	// What is refused is refused with a slash, too.
	paths = append(paths, "/nowhere", "/latest/meta-data/nothing", "/service/configuration", "/2021-03-23/api/token", "/latest/api/token")
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			want := frontendtest.AskWith(handler, from, method, path)
			for _, end := range []string{"/", "//", "%2F"} {
				got := frontendtest.AskWith(handler, from, method, path+end)
				same := bytes.Equal(seed.ReplaceAll(got.Body.Bytes(), nil), seed.ReplaceAll(want.Body.Bytes(), nil))
				if got.Code != want.Code || !same || got.Header().Get("Content-Type") != want.Header().Get("Content-Type") {
					t.Errorf("%s %s%s: %d %q, without it %d %q", method, path, end, got.Code, got.Body, want.Code, want.Body)
				}
			}
		}
	}
	t.Logf("%d paths", len(paths))
}

// So does what changes something.
func TestTrailingSlashOfWrites(t *testing.T) {
	server := twoGuests(t, "required")
	for _, tt := range []struct {
		method, path, header string
		status               int
	}{
		{"PUT", "/latest/api/token/", ttl + "60", 200},
		{"PUT", "/latest/api/token//", ttl + "60", 200},
		{"PUT", "/latest/api/token/", ttl + "0", 400},
		{"PUT", "/2021-03-23/api/token/", ttl + "60", 403},
		{"GET", "/latest/meta-data/instance-id/", "X: none", 401},
		{"POST", "/instance-upload/", "X: from a guest", 401},
		{"POST", "/openstack/latest/password/", "X: an empty one", 401},
	} {
		if w := frontendtest.AskWith(server, fromGuest, tt.method, tt.path, tt.header); w.Code != tt.status {
			t.Errorf("%s %s: %d %s, want %d", tt.method, tt.path, w.Code, w.Body, tt.status)
		}
	}
}

// So does what changes something where tokens are optional.
func TestTrailingSlashOfPasswords(t *testing.T) {
	server := twoGuests(t, "optional")
	for _, tt := range []struct {
		method string
		status int
	}{
		{"POST", 400}, // an empty one
		{"PUT", 405},
	} {
		if w := frontendtest.AskWith(server, fromGuest, tt.method, "/openstack/latest/password/", "X: none"); w.Code != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.method, w.Code, w.Body, tt.status)
		}
	}
}

// Every answer tells its length, and HEAD the length that GET has, however long
// it is: net/http by itself does so up to 2 KiB only.
func TestEveryAnswerHasItsLength(t *testing.T) {
	long := rich
	long.user = "#cloud-config\n" + strings.Repeat("# long\n", 20_000)
	long.vendor = "#cloud-config\n" + strings.Repeat("# longer than 2 KiB\n", 1000)
	d, guest := long.serve(t, instance.IMDSOptional)
	handler := guestHandler(d)
	from := guest.NICs[0].IPv4.Addr().String()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = from + ":4711"
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	paths := append(everyPath(t, handler, from), "/nowhere", "/"+strings.Repeat("x", 3000), "/a/../b", "/service/configuration",
		"/2009-04-04/api/token", "/openstack/latest/x")
	longest := int64(0)
	for _, path := range paths {
		var got [2]int64
		for i, method := range []string{"GET", "HEAD"} {
			req, err := http.NewRequest(method, server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			got[i] = resp.ContentLength
			switch {
			case err != nil:
				t.Error(method, path, err)
			case resp.Header.Get("Content-Length") == "" || resp.TransferEncoding != nil:
				t.Errorf("%s %s: status %d with the length %q and the encoding %q", method, path, resp.StatusCode, resp.Header.Get("Content-Length"), resp.TransferEncoding)
			case method == "GET" && int64(len(body)) != resp.ContentLength:
				t.Errorf("%s: %d bytes, told are %d", path, len(body), resp.ContentLength)
			}
		}
		if got[0] != got[1] {
			t.Errorf("%s: HEAD tells %d bytes, GET %d", path, got[1], got[0])
		}
		longest = max(longest, got[0])
	}
	if longest != int64(len(long.user)) {
		t.Errorf("the longest answer has %d bytes, want those of the user-data, %d", longest, len(long.user))
	}
}
