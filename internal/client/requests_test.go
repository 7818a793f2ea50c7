package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// asked is a request as the server got it.
type asked struct {
	line, body, contentType, agent string
	last                           bool // the connection ends after the answer
}

// serve listens on a control socket in place of the server, and gives the same answer
// to each request.
func serve(t *testing.T, status int, answer []byte) (*Client, *asked) {
	t.Helper()
	got := &asked{}
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*got = asked{r.Method + " " + r.RequestURI, string(body), r.Header.Get("Content-Type"), r.UserAgent(), r.Close}
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-done })
	return New(path), got
}

// Each call is one request. What it returns is the answer: decoded, or as it is.
func TestRequests(t *testing.T) {
	const ref = "web 1&x"
	guest, boots := instance.Instance{Name: "web 1", ID: "i-1"}, []api.Boot{{Number: 3}}
	guests, ca, host := []api.SSHGuest{{Name: "web 1"}}, api.SSHAuthority{SSHKey: api.SSHKey{Type: "ssh-ed25519"}}, api.Host{Name: "kvm1"}
	for name, tt := range map[string]struct {
		call func(context.Context, *Client) (any, error)
		line string
		body string
		want any
	}{
		"Register": {func(ctx context.Context, c *Client) (any, error) { return c.Register(ctx, []byte("<domain/>")) },
			"POST /v1/instances", "<domain/>", api.Registered{Instance: guest}},
		"Instances": {func(ctx context.Context, c *Client) (any, error) { return c.Instances(ctx) },
			"GET /v1/instances", "", []instance.Instance{guest}},
		"Guests": {func(ctx context.Context, c *Client) (any, error) { return c.Guests(ctx) },
			"GET /v1/instances", "", []api.Guest{{Instance: guest}}},
		"Hosts": {func(ctx context.Context, c *Client) (any, error) { return c.Hosts(ctx) },
			"GET /v1/hosts", "", []api.Host{host}},
		"ForgetHost": {func(ctx context.Context, c *Client) (any, error) { return c.ForgetHost(ctx, ref, false) },
			"DELETE /v1/host?ref=web+1%26x&force=false", "", api.Forgotten{Host: host}},
		"ForgetHost that is alive": {func(ctx context.Context, c *Client) (any, error) { return c.ForgetHost(ctx, ref, true) },
			"DELETE /v1/host?ref=web+1%26x&force=true", "", api.Forgotten{Host: host}},
		"RunsOn": {func(ctx context.Context, c *Client) (any, error) { return c.RunsOn(ctx, ref) },
			"GET /v1/host?ref=web+1%26x", "", api.RunsOn{Host: host}},
		"RunsOn here": {func(ctx context.Context, c *Client) (any, error) { return c.RunsOn(ctx, "") },
			"GET /v1/host?ref=", "", api.RunsOn{Host: host}},
		"DrainHost": {func(ctx context.Context, c *Client) (any, error) { return c.DrainHost(ctx, ref, false) },
			"POST /v1/host/drain?ref=web+1%26x&undo=false", "", api.RunsOn{Host: host}},
		"DrainHost undone": {func(ctx context.Context, c *Client) (any, error) { return c.DrainHost(ctx, ref, true) },
			"POST /v1/host/drain?ref=web+1%26x&undo=true", "", api.RunsOn{Host: host}},
		"Refusals": {func(ctx context.Context, c *Client) (any, error) { return c.Refusals(ctx) },
			"GET /v1/refusals", "", []api.Refusal{{Name: "web 2"}}},
		"Instance": {func(ctx context.Context, c *Client) (any, error) { return c.Instance(ctx, ref) },
			"GET /v1/instance?ref=web+1%26x", "", guest},
		"Explain": {func(ctx context.Context, c *Client) (any, error) { return c.Explain(ctx, ref) },
			"GET /v1/explain?ref=web+1%26x", "", api.Explanation{Name: "web 1"}},
		"Release": {func(ctx context.Context, c *Client) (any, error) { return c.Release(ctx, ref) },
			"DELETE /v1/instance?ref=web+1%26x", "", guest},
		"Userdata": {func(ctx context.Context, c *Client) (any, error) { return c.Userdata(ctx, ref) },
			"GET /v1/user-data?ref=web+1%26x", "", []byte("#cloud-config\n")},
		"UserdataOf": {func(ctx context.Context, c *Client) (any, error) { return c.UserdataOf(ctx, ref, -1) },
			"GET /v1/user-data?ref=web+1%26x&boot=-1", "", []byte("#cloud-config\n")},
		"Boots": {func(ctx context.Context, c *Client) (any, error) { return c.Boots(ctx, ref) },
			"GET /v1/boots?ref=web+1%26x", "", boots},
		"Progress": {func(ctx context.Context, c *Client) (any, error) {
			return c.Progress(ctx, api.ProgressQuery{Refs: []string{"a", "b"}, Since: 7, Wait: 1500 * time.Millisecond, SSH: true})
		}, "GET /v1/progress?ref=a&ref=b&since=7&ssh=true&wait=1.500", "", api.Progress{Revision: 8}},
		"Progress of all": {func(ctx context.Context, c *Client) (any, error) { return c.Progress(ctx, api.ProgressQuery{}) },
			"GET /v1/progress?since=0&ssh=false&wait=0.000", "", api.Progress{Revision: 8}},
		"Password": {func(ctx context.Context, c *Client) (any, error) { return c.Password(ctx, ref) },
			"GET /v1/password?ref=web+1%26x", "", []byte("c2VjcmV0")},
		"Export": {func(ctx context.Context, c *Client) (any, error) { return c.Export(ctx, "json") },
			"GET /v1/export?format=json", "", []byte("{}")},
		"Import": {func(ctx context.Context, c *Client) (any, error) { return c.Import(ctx, []byte("{}"), false) },
			"POST /v1/import", "{}", api.Imported{Added: []string{"web 1"}}},
		"Import that replaces": {func(ctx context.Context, c *Client) (any, error) { return c.Import(ctx, []byte("{}"), true) },
			"POST /v1/import?replace=true", "{}", api.Imported{Added: []string{"web 1"}}},
		"Backup": {func(ctx context.Context, c *Client) (any, error) { return c.Backup(ctx) },
			"GET /v1/backup", "", []byte("\x00\xff")},
		"Identity": {func(ctx context.Context, c *Client) (any, error) { return c.Identity(ctx) },
			"GET /v1/identity", "", []byte("-----BEGIN CERTIFICATE-----\n")},
		"SSHGuests": {func(ctx context.Context, c *Client) (any, error) { return c.SSHGuests(ctx) },
			"GET /v1/ssh", "", guests},
		"SSHHost": {func(ctx context.Context, c *Client) (any, error) { return c.SSHHost(ctx, "[fd00::5]:22") },
			"GET /v1/ssh?host=%5Bfd00%3A%3A5%5D%3A22", "", guests},
		"HostCA": {func(ctx context.Context, c *Client) (any, error) { return c.HostCA(ctx) },
			"GET /v1/ssh/ca", "", ca},
		"RotateHostCA": {func(ctx context.Context, c *Client) (any, error) { return c.RotateHostCA(ctx) },
			"POST /v1/ssh/ca", "", ca},
		"Status": {func(ctx context.Context, c *Client) (any, error) { return c.Status(ctx) },
			"GET /v1/status", "", api.Status{Version: "1.0"}},
		"Metrics": {func(ctx context.Context, c *Client) (any, error) { return c.Metrics(ctx) },
			"GET /v1/metrics", "", []byte("# HELP\n")},
		"Reload": {func(ctx context.Context, c *Client) (any, error) { return c.Reload(ctx) },
			"POST /v1/reload", "", api.Reloaded{Restart: []string{"server.port"}}},
		"Reprovision": {func(ctx context.Context, c *Client) (any, error) { return c.Reprovision(ctx, ref) },
			"POST /v1/reprovision?ref=web+1%26x", "", guest},
		"Debug": {func(ctx context.Context, c *Client) (any, error) { return c.Debug(ctx, "heap") },
			"GET /v1/debug?dump=heap", "", []byte("\x1f\x8b")},
		"Usage": {func(ctx context.Context, c *Client) (any, error) { return c.Usage(ctx) },
			"GET /v1/usage", "", api.Usage{Goroutines: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			answer, raw := tt.want.([]byte)
			if !raw {
				var err error
				if answer, err = json.Marshal(tt.want); err != nil {
					t.Fatal(err)
				}
			}
			c, request := serve(t, http.StatusOK, answer)
			got, err := tt.call(t.Context(), c)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
			if request.line != tt.line || request.body != tt.body {
				t.Errorf("asked %s with %q, want %s with %q", request.line, request.body, tt.line, tt.body)
			}
		})
	}
}

// One guest comes in a list.
func TestSSHGuest(t *testing.T) {
	c, request := serve(t, http.StatusOK, []byte(`[{"name":"web1"}]`))
	if got, err := c.SSHGuest(t.Context(), "web1"); err != nil || got.Name != "web1" || request.line != "GET /v1/ssh?ref=web1" {
		t.Errorf("%+v, %v by %s", got, err, request.line)
	}
}

// The hook says that it is the hook, keeps no connection, and takes each answer of
// success: the Python mdserver's is not the same one.
func TestRequestsOfTheHook(t *testing.T) {
	for name, tt := range map[string]struct {
		call func(context.Context, *Client) error
		line string
	}{
		"Upload": {func(ctx context.Context, c *Client) error { return c.Upload(ctx, []byte("<domain/>"), "prepare") },
			"POST /instance-upload?operation=prepare"},
		"Stopped": {func(ctx context.Context, c *Client) error { return c.Stopped(ctx, []byte("<domain/>"), "migrated") },
			"POST /v1/stopped?reason=migrated"},
	} {
		for _, status := range []int{200, 201, 204} {
			c, request := serve(t, status, nil)
			if err := tt.call(t.Context(), c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if want := (asked{tt.line, "<domain/>", "application/xml", api.HookAgent, true}); *request != want {
				t.Errorf("%s: asked %+v, want %+v", name, *request, want)
			}
		}
		for _, status := range []int{302, 400, 503} {
			c, _ := serve(t, status, []byte("no such\x1bnetwork\n"+strings.Repeat("x", 4096)))
			err := tt.call(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), http.StatusText(status)+`: "no such\x1bnetwork\nx`) || len(err.Error()) > 600 {
				t.Errorf("%s, answered %d: %v", name, status, err)
			}
		}
		if err := tt.call(t.Context(), New(filepath.Join(t.TempDir(), "none"))); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s without a server: %v", name, err)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		answer string
		want   Error
	}{
		"with a reason":        {404, `{"error":"no guest web1","code":"not_found"}`, Error{404, "not_found", "no guest web1"}},
		"with a reason alone":  {503, `{"error":"the store is full"}`, Error{503, "", "the store is full"}},
		"without a reason":     {503, `{"code":"store"}`, Error{503, "store", "mdserver answered 503 Service Unavailable"}},
		"by no mdserver":       {502, "<html>", Error{502, "", "mdserver answered 502 Bad Gateway"}},
		"a status of success":  {202, "{}", Error{202, "", "mdserver answered 202 Accepted"}},
		"without any document": {500, "", Error{500, "", "mdserver answered 500 Internal Server Error"}},
	} {
		c, _ := serve(t, tt.status, []byte(tt.answer))
		_, err := c.Status(t.Context())
		if refused, ok := errors.AsType[*Error](err); !ok || *refused != tt.want || err.Error() != tt.want.Message {
			t.Errorf("%s: %#v, want %#v", name, err, tt.want)
		}
	}
	c, _ := serve(t, http.StatusOK, []byte("<html>"))
	if _, err := c.Status(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "answer of mdserver: ") {
		t.Errorf("an answer that is no document: %v", err)
	}
}

// Why there is no answer decides what a command says and how it ends.
func TestUnreachable(t *testing.T) {
	left, held := filepath.Join(t.TempDir(), "left"), filepath.Join(t.TempDir(), "held")
	for path, keep := range map[string]bool{left: false, held: true} {
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		if keep {
			defer listener.Close()
			continue
		}
		listener.SetUnlinkOnClose(false)
		listener.Close()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx    context.Context
		socket string
		kind   error
	}{
		"no socket":                 {t.Context(), filepath.Join(t.TempDir(), "none"), ErrNotRunning},
		"a socket that was left":    {t.Context(), left, ErrNotRunning},
		"a server that is too slow": {ended, held, ErrUnreachable},
	} {
		_, err := New(tt.socket).Status(tt.ctx)
		if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.socket) {
			t.Errorf("%s: %v", name, err)
		}
		if tt.ctx.Err() != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v does not say that its time was up", name, err)
		}
	}
	c := New(held)
	err := c.explain(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", os.ErrPermission)})
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), held+": run as root or as a member of the group ") {
		t.Errorf("a socket of others: %v", err)
	}
	if got := groupOf("/nowhere"); got != "the socket's group" {
		t.Errorf("the group of no file is %q", got)
	}
}
