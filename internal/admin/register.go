package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
)

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

func (b Backend) registerDomain(ctx context.Context, domain instance.Domain) (api.Registered, error) {
	domain = b.Complete(ctx, domain)
	b.Refresh(ctx)
	reg, err := b.Inventory.Register(ctx, domain)
	if errors.Is(err, denied.ErrNoInterface) && domain.Source == instance.ByHook && !domain.Incomplete {
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
