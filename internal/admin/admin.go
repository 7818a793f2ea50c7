// Package admin serves the control interface of a running mdserver: HTTP with
// JSON on a Unix socket, for the hook and the commands. Package api documents the
// requests and holds the answers. Access to the socket is access to everything
// but the server's memory; the socket's mode and group decide who has it.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/libvirt"
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

// Upload registers the domain in the body of a request on the control socket.
// A sender there is believed when it says that it is the hook.
func (b Backend) Upload(w http.ResponseWriter, r *http.Request) {
	source := instance.ByUpload
	if r.UserAgent() == api.HookAgent {
		source = instance.ByHook
	}
	b.UploadFrom(source, w, r)
}

// UploadFrom registers the domain in the request's body and answers in plain text,
// empty on success, as the Python mdserver does, for its hook and for curl. The
// caller decides who may upload, and as which source.
func (b Backend) UploadFrom(source string, w http.ResponseWriter, r *http.Request) {
	registered, err := b.add(w, r, source)
	if err != nil {
		if errors.Is(err, ErrBusy) {
			w.Header().Set("Retry-After", "5")
		}
		httpcommon.Refuse(w, statusOf(err), "Upload refused: "+err.Error()+"\n")
		return
	}
	if registered.Warning != "" {
		httpcommon.Text(w, "Warning: "+registered.Warning+"\n")
		return
	}
	httpcommon.Text(w, "")
}

func (b Backend) register(w http.ResponseWriter, r *http.Request) {
	registered, err := b.add(w, r, instance.ByCommand)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, registered)
}

// badDomain marks an error of the uploaded document.
type badDomain struct{ error }

func (e badDomain) Unwrap() error { return e.error }

// add registers the domain that a request carries. The content type is not
// asked: curl -d says it sends a form, and sends the XML as it is.
func (b Backend) add(w http.ResponseWriter, r *http.Request, source string) (api.Registered, error) {
	domain, err := b.Intake.read(w, r)
	if err != nil {
		return api.Registered{}, b.unreadable(domain, source, err)
	}
	domain.Source = source
	domain.Received = source == instance.ByHook && r.URL.Query().Get("operation") == "migrate"
	return b.registerDomain(r.Context(), domain)
}

// stopped notes that the domain in the body has stopped on this host, as libvirt's hook
// tells. The path is not that of uploads, where a server of an earlier version would
// register the domain.
func (b Backend) stopped(w http.ResponseWriter, r *http.Request) {
	domain, err := b.Intake.read(w, r)
	if err == nil {
		err = b.Inventory.Stopped(r.Context(), domain.UUID, r.URL.Query().Get("reason"))
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (b Backend) registerDomain(ctx context.Context, domain instance.Domain) (api.Registered, error) {
	domain = b.Complete(ctx, domain)
	b.Refresh(ctx)
	reg, err := b.Inventory.Register(ctx, domain)
	if errors.Is(err, inventory.ErrNoInterface) && domain.Source == instance.ByHook && !domain.Incomplete {
		err = errors.Join(err, b.Unplugged(ctx, domain.UUID))
	}
	if err != nil {
		b.Log.Warn("guest not registered", "guest", domain.Name, "uuid", domain.UUID, "error", err)
		return api.Registered{}, err
	}
	b.Registered(&reg.Instance, domain.Source)
	result := api.Registered{Instance: reg.Instance.WithoutSecrets(), Created: reg.Created}
	if reg.Replaced != nil {
		result.Replaced = reg.Replaced.UUID.String()
	}
	for _, former := range reg.Yielded {
		b.Log.Info("guest released early: another one has its MAC address or needs its address or name",
			"guest", former.Name, "uuid", former.UUID, "ipv4", former.IPv4, "other", reg.Instance.Name)
	}
	result.Warning = warning(reg, b.Publish(ctx))
	b.logRegistered(result)
	return result, nil
}

// warning joins what went wrong with a registration that was made.
func warning(reg inventory.Registration, published error) string {
	var all []string
	if reg.RunsOn != "" {
		all = append(all, fmt.Sprintf("it runs on the host %s, which keeps it", reg.RunsOn))
	}
	if reg.AddressProblem != nil {
		all = append(all, reg.AddressProblem.Error())
	}
	if reg.NameProblem != "" {
		all = append(all, fmt.Sprintf("%s; the guest is %q", reg.NameProblem, reg.Instance.Hostname))
	}
	for _, w := range reg.Instance.Metadata.Warnings {
		all = append(all, "<metadata>: "+w)
	}
	if published != nil {
		all = append(all, published.Error())
	}
	return strings.Join(all, "; ")
}

func (b Backend) logRegistered(r api.Registered) {
	inst := r.Instance
	level, message := slog.LevelInfo, "guest updated"
	if r.Created {
		message = "guest registered"
	}
	attrs := []any{"guest", inst.Name, "uuid", inst.UUID, "instance_id", inst.ID, "hostname", inst.Hostname,
		"mac", inst.MAC, "ipv4", inst.IPv4, "ipv6", inst.IPv6}
	if r.Replaced != "" {
		attrs = append(attrs, "replaced", r.Replaced)
	}
	if r.Warning != "" {
		level = slog.LevelWarn
		attrs = append(attrs, "warning", r.Warning)
	}
	b.Log.Log(context.Background(), level, message, attrs...)
}

func (b Backend) list(w http.ResponseWriter, _ *http.Request) {
	all := []api.Guest{}
	for inst := range b.Inventory.Snapshot().All() {
		all = append(all, b.Brief(inst))
	}
	answer(w, all)
}

func (b Backend) show(w http.ResponseWriter, r *http.Request) {
	inst, err := b.find(r.URL.Query().Get("ref"))
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, inst.WithoutSecrets())
}

func (b Backend) release(w http.ResponseWriter, r *http.Request) {
	inst, err := b.Inventory.Release(r.Context(), r.URL.Query().Get("ref"))
	if err != nil {
		refuse(w, err)
		return
	}
	b.Log.Info("guest released", "guest", inst.Name, "uuid", inst.UUID, "ipv4", inst.IPv4, "ipv6", inst.IPv6)
	if err := b.Publish(r.Context()); err != nil {
		b.Log.Warn("dnsmasq may still serve a released guest", "guest", inst.Name, "error", err)
	}
	answer(w, inst.WithoutSecrets())
}

func (b Backend) userdata(w http.ResponseWriter, r *http.Request) {
	inst, err := b.find(r.URL.Query().Get("ref"))
	if err != nil {
		refuse(w, err)
		return
	}
	if which := r.URL.Query().Get("boot"); which != "" {
		b.userdataOf(w, inst, which)
		return
	}
	body, err := b.Userdata(r.Context(), inst)
	if err != nil {
		refuseWith(w, http.StatusUnprocessableEntity, api.CodeUserdata, err)
		return
	}
	w.Header().Set("Content-Type", httpcommon.TypeBytes)
	_, _ = w.Write(body)
}

func (b Backend) password(w http.ResponseWriter, r *http.Request) {
	inst, err := b.find(r.URL.Query().Get("ref"))
	switch {
	case err != nil:
		refuse(w, err)
	case inst.Password == "":
		refuseWith(w, http.StatusNotFound, api.CodeNoPassword, fmt.Errorf("guest %q has posted no password", inst.Name))
	default:
		httpcommon.Text(w, inst.Password)
	}
}

func (b Backend) export(w http.ResponseWriter, r *http.Request) {
	format := r.URL.Query().Get("format")
	if !slices.Contains(api.ExportFormats, format) {
		refuseWith(w, http.StatusBadRequest, api.CodeInvalid, fmt.Errorf("unknown export format %q, accepted: %s", format, strings.Join(api.ExportFormats, ", ")))
		return
	}
	var text bytes.Buffer // all of it or an error
	if err := b.Export(r.Context(), &text, format); err != nil {
		refuseWith(w, http.StatusInternalServerError, api.CodeInternal, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text.Bytes()) // a client that hangs up is not the server's fault
}

func (b Backend) reload(w http.ResponseWriter, r *http.Request) {
	result, err := b.Reload(r.Context())
	if err != nil {
		refuseWith(w, http.StatusUnprocessableEntity, api.CodeConfiguration, err)
		return
	}
	answer(w, result)
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // a client that hangs up is not the server's fault
}

func refuse(w http.ResponseWriter, err error) {
	k := kindOf(err)
	refuseWith(w, k.status, k.code, err)
}

func refuseWith(w http.ResponseWriter, status int, code api.ErrorCode, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.Error{Error: err.Error(), Code: code})
}

// kind is a kind of error in HTTP and for programs.
type kind struct {
	status int
	code   api.ErrorCode
}

// kinds are what can be wrong with a request.
var kinds = []struct {
	err error
	kind
}{
	{libvirt.ErrTooLarge, kind{http.StatusRequestEntityTooLarge, api.CodeTooLarge}},
	{inventory.ErrNotFound, kind{http.StatusNotFound, api.CodeNotFound}},
	{inventory.ErrInvalid, kind{http.StatusBadRequest, api.CodeInvalid}},
	{inventory.ErrNoInterface, kind{http.StatusUnprocessableEntity, api.CodeNoInterface}},
	{inventory.ErrAddressOutside, kind{http.StatusUnprocessableEntity, api.CodeAddressOutside}},
	{inventory.ErrAmbiguous, kind{http.StatusConflict, api.CodeAmbiguous}},
	{inventory.ErrNameTaken, kind{http.StatusConflict, api.CodeNameTaken}},
	{inventory.ErrUUIDTaken, kind{http.StatusConflict, api.CodeUUIDTaken}},
	{inventory.ErrMACInUse, kind{http.StatusConflict, api.CodeMACInUse}},
	{inventory.ErrHostnameTaken, kind{http.StatusConflict, api.CodeHostnameTaken}},
	{inventory.ErrAddressTaken, kind{http.StatusConflict, api.CodeAddressTaken}},
	{inventory.ErrTooManyGuests, kind{http.StatusInsufficientStorage, api.CodeTooManyGuests}},
	{inventory.ErrStore, kind{http.StatusServiceUnavailable, api.CodeDatabase}},
	{inventory.ErrClosed, kind{http.StatusServiceUnavailable, api.CodeStopping}},
	{ErrHost, kind{http.StatusConflict, api.CodeHostInUse}},
	{ErrBusy, kind{http.StatusServiceUnavailable, api.CodeBusy}},
}

func kindOf(err error) kind {
	if bad := (badDomain{}); errors.As(err, &bad) {
		return kind{http.StatusBadRequest, api.CodeInvalid}
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return kind{http.StatusInternalServerError, api.CodeInternal}
}

func statusOf(err error) int { return kindOf(err).status }
