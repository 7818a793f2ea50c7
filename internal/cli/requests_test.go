package cli

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorder is a server that knows one guest and records the requests.
type recorder struct {
	mu    sync.Mutex
	asked []string
}

// all returns the requests since the last call, one a line.
func (s *recorder) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.Join(s.asked, "\n")
	s.asked = nil
	return text
}

func (s *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := strings.TrimSpace(r.Method + " " + r.URL.Path + " " + strings.ReplaceAll(r.URL.RawQuery, "&", " "))
	if body, _ := io.ReadAll(r.Body); len(body) > 0 {
		what += " with " + string(body)
	}
	s.mu.Lock()
	s.asked = append(s.asked, what)
	s.mu.Unlock()
	const guest = `{"name": "web1", "hostname": "web1", "uuid": "7e5a544d-d555-4133-a443-8229415be701"}`
	answers := map[string]string{
		"/v1/instance": guest, "/v1/reprovision": guest, "/v1/instances": "[" + guest + "]", "/v1/refusals": "[]", "/v1/boots": "[]", "/v1/hosts": "[]",
		"/v1/ssh": "[]", "/v1/progress": `{"revision": 1, "guests": [{"ref": "web1"}]}`, "/v1/status": `{"networks": [{"name": "mds"}]}`,
	}
	if r.URL.Query().Has("ref") {
		answers["/v1/ssh"] = "[{}]"
	}
	answer, ok := answers[r.URL.Path]
	if !ok {
		answer = "{}"
	}
	_, _ = io.WriteString(w, answer)
}

// TestRequests checks the requests of each command: a command changes the guest that it found, by
// its UUID, and sends each flag that the server needs.
func TestRequests(t *testing.T) {
	const uuid = "7e5a544d-d555-4133-a443-8229415be701"
	t.Chdir(t.TempDir())
	const document = `{"format":"mdserver-inventory","version":1,"instances":[],"resting":[]}`
	for name, text := range map[string]string{"web1.xml": "<domain/>", "guests.json": document, "mdserver.conf": "[mdserver]\nsocket = sock\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("MDSERVER_CONFIG", "mdserver.conf")
	t.Setenv("MDSERVER_SOCKET", "")
	listener, err := net.Listen("unix", "sock")
	if err != nil {
		t.Fatal(err)
	}
	server := &recorder{}
	running := &http.Server{Handler: server}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = running.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = running.Close()
		<-ended
	})
	const find = "GET /v1/instance ref=web1\n"
	for args, want := range map[string]string{
		"instance add web1.xml":                          "POST /v1/instances with <domain/>",
		"instance ls":                                    "GET /v1/status\nGET /v1/instances\nGET /v1/refusals",
		"instance ls web1":                               "GET /v1/status\n" + find + "GET /v1/instances",
		"instance ls --network mds":                      "GET /v1/status\nGET /v1/instances",
		"instance ls --host kvm1":                        "GET /v1/status\nGET /v1/hosts",
		"instance ls --refused":                          "GET /v1/refusals",
		"instance ls --refused --state off":              "",
		"instance ls --refused web1":                     "",
		"instance show web1":                             "GET /v1/instance ref=web1",
		"instance show a&b=c":                            "GET /v1/instance ref=a%26b%3Dc",
		"instance rm --yes web1":                         find + "DELETE /v1/instance ref=" + uuid,
		"instance rm --yes web1 10.0.0.7":                find + "GET /v1/instance ref=10.0.0.7\nDELETE /v1/instance ref=" + uuid,
		"instance rm --dry-run --yes web1":               "GET /v1/instance ref=web1",
		"instance reprovision --yes web1":                find + "POST /v1/reprovision ref=" + uuid,
		"instance reprovision web1":                      "GET /v1/instance ref=web1", // there is no terminal to confirm on
		"instance password web1":                         "GET /v1/password ref=web1",
		"explain web1":                                   "GET /v1/explain ref=web1",
		"user-data web1":                                 "GET /v1/user-data ref=web1",
		"user-data web1 --boot 0":                        "GET /v1/user-data ref=web1 boot=0",
		"user-data web1 --boot=-1":                       "GET /v1/user-data ref=web1 boot=-1",
		"user-data diff web1":                            "GET /v1/user-data ref=web1 boot=-1\nGET /v1/user-data ref=web1 boot=0",
		"user-data diff web1 --boot 3":                   "GET /v1/user-data ref=web1 boot=3\nGET /v1/user-data ref=web1 boot=0",
		"user-data diff web1 --boot 3 --boot 5":          "GET /v1/user-data ref=web1 boot=3\nGET /v1/user-data ref=web1 boot=5",
		"user-data diff web1 --boot 1 --boot 2 --boot 3": "",
		"boots web1":                                     "GET /v1/boots ref=web1",
		"logs web1":                                      "GET /v1/boots ref=web1",
		"wait web1 --timeout 0s":                         "GET /v1/progress ref=web1 since=0 ssh=false wait=0.000",
		"wait web1 web2 --for ssh --timeout 0s":          "GET /v1/progress ref=web1 ref=web2 since=0 ssh=true wait=0.000",
		"known-hosts":                                    "GET /v1/ssh",
		"known-hosts web1 web2":                          "GET /v1/ssh ref=web1\nGET /v1/ssh ref=web2",
		"known-hosts --ssh [web1]:22":                    "GET /v1/ssh host=%5Bweb1%5D%3A22",
		"known-hosts --ssh=ORDER web1":                   "GET /v1/ssh host=web1",
		"known-hosts --ssh web1 web2":                    "",
		"ssh-config":                                     "GET /v1/ssh",
		"ssh-config web1":                                "GET /v1/ssh ref=web1",
		"ssh ca":                                         "GET /v1/ssh/ca",
		"ssh ca rotate":                                  "GET /v1/ssh/ca", // there is no terminal to confirm on
		"ssh ca rotate --yes":                            "GET /v1/ssh/ca\nPOST /v1/ssh/ca",
		"ssh root@web1":                                  "GET /v1/ssh ref=web1", // it has no address
		"identity ca":                                    "GET /v1/identity",
		"export":                                         "GET /v1/export format=legacy",
		"export --format json":                           "GET /v1/export format=json",
		"import guests.json":                             "POST /v1/import with " + document,
		"import --replace guests.json":                   "POST /v1/import replace=true with " + document,
		"import web1.xml":                                "",
		"backup -":                                       "GET /v1/backup",
		"host ls":                                        "GET /v1/hosts",
		"host drain":                                     "POST /v1/host/drain ref= undo=false",
		"host drain kvm3":                                "POST /v1/host/drain ref=kvm3 undo=false",
		"host drain --undo kvm3":                         "POST /v1/host/drain ref=kvm3 undo=true",
		"host drain --undo --wait":                       "",
		"host drain --timeout 1s":                        "",
		"host forget kvm3":                               "DELETE /v1/host ref=kvm3 force=false",
		"host forget --force kvm3":                       "DELETE /v1/host ref=kvm3 force=true",
		"inventory --ansible":                            "GET /v1/status\nGET /v1/instances\nGET /v1/refusals\nGET /v1/ssh",
		"inventory --ansible --host web1":                "GET /v1/status\nGET /v1/instances\nGET /v1/refusals\nGET /v1/ssh",
		"status":                                         "GET /v1/status",
		"network ls":                                     "GET /v1/status",
		"metrics":                                        "GET /v1/metrics",
		"reload":                                         "POST /v1/reload",
	} {
		t.Run(args, func(t *testing.T) {
			root := newRoot()
			root.SetArgs(strings.Fields(args))
			root.SetIn(strings.NewReader(""))
			root.SetOut(io.Discard)
			root.SetErr(&bytes.Buffer{})
			err := root.ExecuteContext(t.Context())
			if diff := cmp.Diff(want, server.all()); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}
