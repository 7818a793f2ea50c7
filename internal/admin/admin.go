// Package admin serves the control interface of a running mdserver: HTTP with
// JSON on a Unix socket, for the hook and the commands. Package api documents the
// requests and holds the answers. Access to the socket is access to everything
// but the server's memory; the socket's mode and group decide who has it.
package admin

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// Backend is what the interface controls.
type Backend struct {
	Inventory *inventory.Inventory
	// Refresh brings the inventory's networks up to date. It is called before a
	// registration, and does not wait long.
	Refresh func(context.Context)
	// Publish returns when DHCP and DNS have followed the inventory, or says
	// why they have not.
	Publish func(context.Context) error
	// Userdata renders the user-data of a guest as it would be served now.
	Userdata func(context.Context, *instance.Instance) ([]byte, error)
	// Complete adds what libvirt reports about a domain beyond its definition.
	Complete func(context.Context, instance.Domain) instance.Domain
	// Unplugged notes that libvirt starts a domain which is on none of the
	// networks, and may have been before.
	Unplugged func(context.Context, uuid.UUID) error
	// Export writes all guests in one of api.ExportFormats.
	Export func(ctx context.Context, w io.Writer, format string) error
	// Import adds the records of a document. With replace they take the place of
	// known guests' records.
	Import func(ctx context.Context, table instance.Table, replace bool) (inventory.Adopted, error)
	// Backup writes all that the server keeps, in the format of package backup.
	Backup func(ctx context.Context, w io.Writer) error
	Status func() api.Status
	// Brief returns a guest as it is listed.
	Brief func(*instance.Instance) api.Guest
	// Boots returns the boots of a guest, the oldest first. With an error it returns
	// those that are known all the same.
	Boots func(*instance.Instance) ([]api.Boot, error)
	// Progress waits for what was asked for, and returns how it is then.
	Progress func(context.Context, api.ProgressQuery) api.Progress
	// Content returns what a guest was given, by its hash; nil if it is not kept.
	Content func(hash string) ([]byte, error)
	// Registered is called for each registration, with its source.
	Registered func(guest *instance.Instance, source string)
	// Explain returns everything that is known of a guest, and why it is so.
	Explain func(context.Context, *instance.Instance) api.Explanation
	// Identity is the certificate, in PEM, for checking the guests' identity
	// documents.
	Identity func() []byte
	// Metrics answers with the metrics in the format of Prometheus.
	Metrics http.Handler
	// SSH lists what SSH clients need to know of guests.
	SSH SSH
	// Hosts lists the hosts that share the inventory.
	Hosts func() []api.Host
	// ForgetHost removes a host by its ID, and returns how many guests it had.
	ForgetHost func(ctx context.Context, id string, force bool) (int, error)
	// DrainHost takes a host out of service by its ID, or puts it back, and returns since
	// when it is drained.
	DrainHost func(ctx context.Context, id string, drained bool) (time.Time, error)
	// RunsOn returns the guests that run on a host, by name.
	RunsOn func(id string) ([]api.HostGuest, error)
	// Intake bounds what definitions take that arrive by this interface.
	Intake *UploadLimiter
	Reload func(context.Context) (api.Reloaded, error)
	Log    *slog.Logger
}

// Handler serves the control interface.
func (b Backend) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range b.routes() {
		mux.HandleFunc(pattern, handler)
	}
	return mux
}

// routes are all that is answered on the control socket.
func (b Backend) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"POST /instance-upload": b.Upload,
		"POST /v1/stopped":      b.stopped,
		"POST /v1/instances":    b.register,
		"GET /v1/instances":     b.list,
		"GET /v1/refusals":      b.refusals,
		"GET /v1/instance":      b.show,
		"DELETE /v1/instance":   b.release,
		"GET /v1/explain":       b.explain,
		"POST /v1/reprovision":  b.reprovision,
		"GET /v1/user-data":     b.userdata,
		"GET /v1/boots":         b.boots,
		"GET /v1/progress":      b.progress,
		"GET /v1/password":      b.password,
		"GET /v1/export":        b.export,
		"POST /v1/import":       b.importDocument,
		"GET /v1/backup":        b.backup,
		"GET /v1/status":        func(w http.ResponseWriter, _ *http.Request) { answer(w, b.Status()) },
		"GET /v1/identity":      func(w http.ResponseWriter, _ *http.Request) { httpcommon.Text(w, string(b.Identity())) },
		"GET /v1/metrics":       func(w http.ResponseWriter, r *http.Request) { b.Metrics.ServeHTTP(w, r) },
		"GET /v1/hosts":         b.hosts,
		"GET /v1/host":          b.runsOn,
		"DELETE /v1/host":       b.forgetHost,
		"POST /v1/host/drain":   b.drainHost,
		"GET /v1/ssh":           b.ssh,
		"GET /v1/ssh/ca":        b.sshCA,
		"POST /v1/ssh/ca":       b.rotateSSHCA,
		"POST /v1/reload":       b.reload,
		"GET /v1/debug":         rootOnly(debug),
		"GET /v1/usage":         rootOnly(usage),
	}
}

func (b Backend) reload(w http.ResponseWriter, r *http.Request) {
	result, err := b.Reload(r.Context())
	if err != nil {
		refuseWith(w, http.StatusUnprocessableEntity, api.CodeConfiguration, err)
		return
	}
	answer(w, result)
}
