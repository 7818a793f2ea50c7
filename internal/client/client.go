// Package client asks a running mdserver by its control socket. Package api has
// the documents that go over it.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// ErrNotRunning means that no server listens on the control socket.
var ErrNotRunning = errors.New("mdserver does not run")

// ErrUnreachable: the server may run, but its control socket does not answer, or
// may not be used.
var ErrUnreachable = errors.New("mdserver cannot be reached")

// Client asks one server. Make it with New.
type Client struct {
	socket string
	http   http.Client
}

// New makes a client of the server behind a Unix socket. Nothing is opened before
// the first call.
func New(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Error is a refusal by the server.
type Error struct {
	Status  int // HTTP's
	Code    api.ErrorCode
	Message string
}

func (e *Error) Error() string { return e.Message }

// Register sends a domain definition.
func (c *Client) Register(ctx context.Context, xml []byte) (api.Registered, error) {
	var result api.Registered
	return result, c.call(ctx, http.MethodPost, "/v1/instances", xml, &result)
}

// Upload sends a domain definition as the hook does, with the hook's operation, such as
// prepare. The connection is not kept.
func (c *Client) Upload(ctx context.Context, xml []byte, operation string) error {
	return c.fromHook(ctx, "/instance-upload?"+query("operation", operation), xml)
}

// Stopped reports a domain that has stopped, and why, as the hook does. The connection is
// not kept.
func (c *Client) Stopped(ctx context.Context, xml []byte, reason string) error {
	return c.fromHook(ctx, "/v1/stopped?"+query("reason", reason), xml)
}

func (c *Client) fromHook(ctx context.Context, path string, xml []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://mdserver"+path, bytes.NewReader(xml))
	if err != nil {
		return err
	}
	req.Close = true
	req.Header.Set("Content-Type", "application/xml")
	req.Header.Set("User-Agent", api.HookAgent)
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	reason, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // the status is enough
	return fmt.Errorf("the server answers %s: %q", resp.Status, bytes.TrimSpace(reason))
}

// Instances lists all guests, sorted by name.
func (c *Client) Instances(ctx context.Context) ([]instance.Instance, error) {
	var all []instance.Instance
	return all, c.call(ctx, http.MethodGet, "/v1/instances", nil, &all)
}

// Guests lists all guests with what they do, sorted by name.
func (c *Client) Guests(ctx context.Context) ([]api.Guest, error) {
	var all []api.Guest
	return all, c.call(ctx, http.MethodGet, "/v1/instances", nil, &all)
}

// Hosts lists the hosts that share the inventory.
func (c *Client) Hosts(ctx context.Context) ([]api.Host, error) {
	var all []api.Host
	return all, c.call(ctx, http.MethodGet, "/v1/hosts", nil, &all)
}

// ForgetHost removes a host by its name or ID; with force even one that is alive.
func (c *Client) ForgetHost(ctx context.Context, ref string, force bool) (api.Forgotten, error) {
	var result api.Forgotten
	path := "/v1/host?" + query("ref", ref) + "&" + query("force", strconv.FormatBool(force))
	return result, c.call(ctx, http.MethodDelete, path, nil, &result)
}

// RunsOn tells which guests run on a host, by its name or ID. Without one it is the
// server's own.
func (c *Client) RunsOn(ctx context.Context, ref string) (api.RunsOn, error) {
	var result api.RunsOn
	return result, c.call(ctx, http.MethodGet, "/v1/host?"+query("ref", ref), nil, &result)
}

// DrainHost takes a host out of service, or puts it back, and tells which guests run
// there. Without a name or ID it is the server's own.
func (c *Client) DrainHost(ctx context.Context, ref string, undo bool) (api.RunsOn, error) {
	var result api.RunsOn
	path := "/v1/host/drain?" + query("ref", ref) + "&" + query("undo", strconv.FormatBool(undo))
	return result, c.call(ctx, http.MethodPost, path, nil, &result)
}

// Refusals lists the domains that are no guests, those with a fault first.
func (c *Client) Refusals(ctx context.Context) ([]api.Refusal, error) {
	var all []api.Refusal
	return all, c.call(ctx, http.MethodGet, "/v1/refusals", nil, &all)
}

// Instance finds one guest.
func (c *Client) Instance(ctx context.Context, ref string) (instance.Instance, error) {
	var inst instance.Instance
	return inst, c.call(ctx, http.MethodGet, "/v1/instance?"+query("ref", ref), nil, &inst)
}

// Explain returns everything that is known of a guest, and why it is so.
func (c *Client) Explain(ctx context.Context, ref string) (api.Explanation, error) {
	var doc api.Explanation
	return doc, c.call(ctx, http.MethodGet, "/v1/explain?"+query("ref", ref), nil, &doc)
}

// Release removes a guest.
func (c *Client) Release(ctx context.Context, ref string) (instance.Instance, error) {
	var inst instance.Instance
	return inst, c.call(ctx, http.MethodDelete, "/v1/instance?"+query("ref", ref), nil, &inst)
}

// Userdata is what a guest would get as user-data now.
func (c *Client) Userdata(ctx context.Context, ref string) ([]byte, error) {
	var body []byte
	return body, c.call(ctx, http.MethodGet, "/v1/user-data?"+query("ref", ref), nil, &body)
}

// UserdataOf is what a guest got as user-data in a boot: its number, 0 for the last
// one, -1 for the one before.
func (c *Client) UserdataOf(ctx context.Context, ref string, boot int) ([]byte, error) {
	var body []byte
	return body, c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/user-data?%s&boot=%d", query("ref", ref), boot), nil, &body)
}

// Boots returns the boots of a guest, the oldest first.
func (c *Client) Boots(ctx context.Context, ref string) ([]api.Boot, error) {
	var all []api.Boot
	return all, c.call(ctx, http.MethodGet, "/v1/boots?"+query("ref", ref), nil, &all)
}

// Progress waits for a change, and returns how the guests are then.
func (c *Client) Progress(ctx context.Context, q api.ProgressQuery) (api.Progress, error) {
	values := url.Values{
		"ref": q.Refs, "since": {strconv.FormatUint(q.Since, 10)},
		"wait": {strconv.FormatFloat(q.Wait.Seconds(), 'f', 3, 64)}, "ssh": {strconv.FormatBool(q.SSH)},
	}
	var p api.Progress
	return p, c.call(ctx, http.MethodGet, "/v1/progress?"+values.Encode(), nil, &p)
}

// Password is what a guest posted as its password, as it posted it.
func (c *Client) Password(ctx context.Context, ref string) ([]byte, error) {
	var body []byte
	return body, c.call(ctx, http.MethodGet, "/v1/password?"+query("ref", ref), nil, &body)
}

// Export returns the whole inventory in another format.
func (c *Client) Export(ctx context.Context, format string) ([]byte, error) {
	var body []byte
	return body, c.call(ctx, http.MethodGet, "/v1/export?"+query("format", format), nil, &body)
}

// Import adds the guests of an export in api.FormatJSON. With replace their records
// take the place of known guests' own.
func (c *Client) Import(ctx context.Context, text []byte, replace bool) (api.Imported, error) {
	path := "/v1/import"
	if replace {
		path += "?replace=true"
	}
	var result api.Imported
	return result, c.call(ctx, http.MethodPost, path, text, &result)
}

// Backup returns everything that the server keeps, in the format of package backup.
func (c *Client) Backup(ctx context.Context) ([]byte, error) {
	var body []byte
	return body, c.call(ctx, http.MethodGet, "/v1/backup", nil, &body)
}

// Identity is the certificate, in PEM, for checking the guests' identity
// documents.
func (c *Client) Identity(ctx context.Context) ([]byte, error) {
	var certificate []byte
	return certificate, c.call(ctx, http.MethodGet, "/v1/identity", nil, &certificate)
}

// SSHGuests lists what SSH clients need to know of all guests, sorted by name.
func (c *Client) SSHGuests(ctx context.Context) ([]api.SSHGuest, error) {
	var all []api.SSHGuest
	return all, c.call(ctx, http.MethodGet, "/v1/ssh", nil, &all)
}

// SSHGuest is what SSH clients need to know of one guest.
func (c *Client) SSHGuest(ctx context.Context, ref string) (api.SSHGuest, error) {
	var one [1]api.SSHGuest
	return one[0], c.call(ctx, http.MethodGet, "/v1/ssh?"+query("ref", ref), nil, &one)
}

// SSHHost is the guest, in a list, that SSH clients mean by a host: a name or an
// address, maybe with a port. The list is empty if there is none.
func (c *Client) SSHHost(ctx context.Context, host string) ([]api.SSHGuest, error) {
	var found []api.SSHGuest
	return found, c.call(ctx, http.MethodGet, "/v1/ssh?"+query("host", host), nil, &found)
}

// HostCA returns the keys of host certificates.
func (c *Client) HostCA(ctx context.Context) (api.SSHAuthority, error) {
	var ca api.SSHAuthority
	return ca, c.call(ctx, http.MethodGet, "/v1/ssh/ca", nil, &ca)
}

// RotateHostCA has another key sign host certificates from now on, and returns the keys.
func (c *Client) RotateHostCA(ctx context.Context) (api.SSHAuthority, error) {
	var ca api.SSHAuthority
	return ca, c.call(ctx, http.MethodPost, "/v1/ssh/ca", nil, &ca)
}

// Status returns the state of the server.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	var status api.Status
	return status, c.call(ctx, http.MethodGet, "/v1/status", nil, &status)
}

// Metrics returns the server's metrics in the text format of Prometheus.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	var text []byte
	return text, c.call(ctx, http.MethodGet, "/v1/metrics", nil, &text)
}

// Reload makes the server read its configuration again.
func (c *Client) Reload(ctx context.Context) (api.Reloaded, error) {
	var result api.Reloaded
	return result, c.call(ctx, http.MethodPost, "/v1/reload", nil, &result)
}

// Reprovision gives a guest a new instance-id and returns its new record.
func (c *Client) Reprovision(ctx context.Context, ref string) (instance.Instance, error) {
	var inst instance.Instance
	return inst, c.call(ctx, http.MethodPost, "/v1/reprovision?"+query("ref", ref), nil, &inst)
}

// Debug returns a dump for finding a fault in the server: its
// "goroutines" as text, or the profile "heap" or "allocs" for `go tool pprof`.
// Only root and the server's own user get it.
func (c *Client) Debug(ctx context.Context, dump string) ([]byte, error) {
	var data []byte
	return data, c.call(ctx, http.MethodGet, "/v1/debug?"+query("dump", dump), nil, &data)
}

// Usage returns what the server uses. Only root and the server's own user get
// it.
func (c *Client) Usage(ctx context.Context) (api.Usage, error) {
	var u api.Usage
	return u, c.call(ctx, http.MethodGet, "/v1/usage", nil, &u)
}

func query(key, value string) string { return url.Values{key: {value}}.Encode() }

// call makes one request and stores its answer in result: decoded, or as it
// is when result is a *[]byte.
func (c *Client) call(ctx context.Context, method, path string, body []byte, result any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://mdserver"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("answer of mdserver: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return errorOf(resp, data)
	}
	if raw, ok := result.(*[]byte); ok {
		*raw = data
		return nil
	}
	if err := json.Unmarshal(data, result); err != nil {
		return fmt.Errorf("answer of mdserver: %w", err)
	}
	return nil
}

func errorOf(resp *http.Response, data []byte) error {
	var refused api.Error
	if json.Unmarshal(data, &refused) != nil || refused.Error == "" {
		refused.Error = "mdserver answered " + resp.Status
	}
	return &Error{Status: resp.StatusCode, Code: refused.Code, Message: refused.Error}
}

// explain says what to do when there is no server to speak to.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nothing listens on %s; start it with `systemctl start mdserver`, or name its configuration with --config", ErrNotRunning, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: no access to %s: run as root or as a member of %s", ErrUnreachable, c.socket, groupOf(c.socket))
	}
	return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.socket, err)
}

// groupOf names the group of a file, as far as it is known.
func groupOf(path string) string {
	if info, err := os.Stat(path); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			if group, err := user.LookupGroupId(strconv.Itoa(int(stat.Gid))); err == nil {
				return "the group " + group.Name
			}
		}
	}
	return "the socket's group"
}
