// Package userdata chooses the templates and variables for a guest's user-data and
// vendor-data, and renders them. Results are kept until the guest's record, the
// configuration or one of the files involved changes.
package userdata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/flight"
	"mdserver/internal/instance"
	"mdserver/internal/tree"
	"mdserver/internal/userdata/multipart"
	"mdserver/internal/weighted"
	"mdserver/stpl"
)

// ErrNoTemplate says that the domain's metadata names a template
// (userdata_prefix) that does not exist. The guest gets 404.
var ErrNoTemplate = errors.New("no such template")

// Rendered is the user-data or the vendor-data of one guest.
type Rendered struct {
	Body     []byte // what the guest gets, byte for byte; read only
	Template string // the file it was made from, several with commas, or "(built-in)"
	Hash     string // SHA-256 of Body in hexadecimal, made once for many requests; empty for a constant
}

// Renderer renders user-data under one configuration; a changed configuration
// needs a new one. It is safe for concurrent use.
type Renderer struct {
	dir             string
	suffixes        []string
	defaultTemplate string
	domains         map[string]string // of the networks, by their names
	vendorTemplate  string
	rawDefault      bool
	engine          *stpl.Engine
	site            map[string]any
	redact          func(string) string
	debugDir        string
	log             *slog.Logger
	now             func() time.Time
	reports         Reports
	maxSize         int           // of a document, in bytes
	work            time.Duration // what one document may take by the clock
	slots           chan struct{} // one for each render under way
	flights         flight.Group[job, *result]
	cache           *weighted.Cache[document, *result]
	warned          sync.Map // of warning
	rendered        OnRender
}

// OnRender gets the outcome of each render: which document (user-data, vendor-data
// or vendor_data.json), how long it took, and its error. It must not wait.
type OnRender func(document string, took time.Duration, err error)

// OnRender sets the function that gets the outcome of renders. Call it before the
// first render.
func (r *Renderer) OnRender(outcome OnRender) { r.rendered = outcome }

// Reports returns the parts of user-data or vendor-data that make cloud-init in a
// guest report to this server. There may be none.
type Reports func(guest *instance.Instance) []multipart.Part

// New makes the renderer of one configuration. Without reports, no guest is asked
// for any.
func New(cfg *config.Config, reports Reports, log *slog.Logger) *Renderer {
	dir := cfg.Server.UserdataDir
	roots := append([]string{dir, filepath.Join(dir, "views")}, cfg.Server.TemplatePath...)
	r := &Renderer{
		dir:             dir,
		suffixes:        suffixes(cfg.Server.UserdataSuffixes),
		defaultTemplate: cfg.Server.DefaultTemplate,
		domains:         domains(cfg),
		vendorTemplate:  cfg.Server.VendordataTemplate,
		rawDefault:      cfg.Server.TemplateFormat == "raw",
		engine:          stpl.New(engineOptions(cfg, roots)),
		site:            siteVariables(cfg),
		redact:          redactor(cfg),
		reports:         reports,
		log:             log,
		now:             time.Now,
		maxSize:         cfg.Server.UserdataSize << 10,
		work:            clockFactor * cfg.Server.TemplateTime,
		slots:           make(chan struct{}, renders(runtime.GOMAXPROCS(0), cfg.Server.TemplateMemory)),
		cache:           weighted.New[document, *result](maxCached, maxCachedBytes),
		rendered:        func(string, time.Duration, error) {},
	}
	if cfg.Server.DebugUserdata {
		r.debugDir = filepath.Join(cfg.Dnsmasq.RunDir, "userdata")
	}
	return r
}

// suffixes adds the one of files that pass untouched, as the last.
func suffixes(configured []string) []string {
	const raw = ".raw"
	if slices.Contains(configured, raw) {
		return configured
	}
	return append(slices.Clip(configured), raw)
}

// maxRenderMemory bounds what all renders at a time may ask for, in MiB.
const maxRenderMemory = 512

// renders is how many renders run at a time: one more than there are
// processors, fewer if each may ask for much memory, in MiB.
func renders(processors, memory int) int {
	return min(processors+1, max(maxRenderMemory/memory, 1))
}

// limitKeys are the keys of section mdserver that set the limits of a template.
var limitKeys = map[stpl.Limit]string{
	stpl.LimitSteps:     "template_steps",
	stpl.LimitMemory:    "template_memory",
	stpl.LimitOutput:    "template_output",
	stpl.LimitTime:      "template_time",
	stpl.LimitRecursion: "template_recursion",
}

func domains(cfg *config.Config) map[string]string {
	byNetwork := map[string]string{}
	for _, n := range cfg.Networks {
		byNetwork[n.Name] = n.Domain
	}
	return byNetwork
}

func engineOptions(cfg *config.Config, roots []string) stpl.Options {
	opts := TemplateOptions()
	opts.Roots, opts.LimitKeys = roots, limitKeys
	opts.Limits = stpl.Limits{
		Steps:     int64(cfg.Server.TemplateSteps),
		Memory:    int64(cfg.Server.TemplateMemory) << 20,
		Output:    int64(cfg.Server.TemplateOutput) << 10,
		Time:      cfg.Server.TemplateTime,
		Recursion: cfg.Server.TemplateRecursion,
	}
	if cfg.Server.TemplateEscape == "none" {
		opts.Escape = stpl.EscapeNone
	}
	if cfg.Server.TemplateNone == "empty" {
		opts.None = stpl.NoneEmpty
	}
	return opts
}

// Render returns the user-data of a guest. ErrNoTemplate means that there is
// none; any other error is a template that failed, which is logged here with
// its file and line and without the values of secrets.
func (r *Renderer) Render(ctx context.Context, guest *instance.Instance) (Rendered, error) {
	return r.shared(ctx, job{document{"user-data", false, guest.UUID}, guest}, r.renderUserdata)
}

// RenderReporting returns the user-data of a guest for a cloud-init that gets no
// vendor-data: what makes it report comes behind the user-data. Its errors are those
// of Render.
func (r *Renderer) RenderReporting(ctx context.Context, guest *instance.Instance) (Rendered, error) {
	if r.reports == nil {
		return r.Render(ctx, guest)
	}
	return r.shared(ctx, job{document{"user-data", true, guest.UUID}, guest}, r.reporting("user-data", r.renderUserdata))
}

// VendorJSON returns the vendor-data of a guest as OpenStack has it:
// {"cloud-init": "…"}, or an empty object if there is none. See Vendor.
func (r *Renderer) VendorJSON(ctx context.Context, guest *instance.Instance, reporting bool) (Rendered, error) {
	render := r.vendor(reporting)
	if render == nil {
		return Rendered{Body: []byte("{}\n")}, nil
	}
	return r.shared(ctx, job{document{"vendor_data.json", reporting, guest.UUID}, guest}, r.asJSON(render))
}

// Vendor returns the vendor-data of a guest: what the site's own template,
// vendordata_template, gives with the guest's variables, and behind it what makes
// cloud-init report, if reporting is set. It is empty if there is neither. Its
// errors are those of Render.
func (r *Renderer) Vendor(ctx context.Context, guest *instance.Instance, reporting bool) (Rendered, error) {
	render := r.vendor(reporting)
	if render == nil {
		return Rendered{}, nil
	}
	return r.shared(ctx, job{document{"vendor-data", reporting, guest.UUID}, guest}, render)
}

// vendor is what makes vendor-data, or nil if there is none.
func (r *Renderer) vendor(reporting bool) renderFunc {
	render := r.renderVendor
	if r.vendorTemplate == "" {
		render = renderNothing
	}
	switch {
	case reporting && r.reports != nil:
		return r.reporting("vendor-data", render)
	case r.vendorTemplate == "":
		return nil
	}
	return render
}

func renderNothing(context.Context, *instance.Instance) (Rendered, []fingerprint, error) {
	return Rendered{}, nil, nil
}

func (r *Renderer) renderUserdata(ctx context.Context, guest *instance.Instance) (Rendered, []fingerprint, error) {
	if names := guest.Metadata.UserdataParts(); len(names) > 0 {
		return r.renderParts(ctx, guest, names)
	}
	found, err := r.search(guest)
	if err != nil {
		return Rendered{}, found.watched, err
	}
	budget := r.engine.NewBudget()
	return r.renderTemplate(ctx, &budget, guest, found)
}

// asJSON makes OpenStack's JSON of vendor-data.
func (r *Renderer) asJSON(render renderFunc) renderFunc {
	return func(ctx context.Context, guest *instance.Instance) (Rendered, []fingerprint, error) {
		rendered, prints, err := render(ctx, guest)
		if err != nil {
			return Rendered{}, prints, err
		}
		body, err := VendorJSON(rendered.Body, r.maxSize)
		if err != nil {
			return Rendered{}, prints, fmt.Errorf("vendordata_template: %w", err)
		}
		return Rendered{Body: body, Template: rendered.Template}, prints, nil
	}
}

// VendorJSON wraps vendor-data of at most limit bytes, unpacked, in the form
// that leaves room for other programs' (cloud-init 22.4.2, convert_vendordata).
func VendorJSON(data []byte, limit int) ([]byte, error) {
	text, err := multipart.Text(data, limit)
	if err != nil {
		return nil, err
	}
	content := map[string]string{}
	if text != "" {
		content["cloud-init"] = text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err = enc.Encode(content)
	return b.Bytes(), err
}

func (r *Renderer) renderVendor(ctx context.Context, guest *instance.Instance) (Rendered, []fingerprint, error) {
	watched := []fingerprint{takeFingerprint(r.vendorTemplate)}
	text, err := readFile(tree.OpenPath(r.vendorTemplate))
	if err != nil {
		return Rendered{}, watched, fmt.Errorf("vendordata_template: %w", err)
	}
	budget := r.engine.NewBudget()
	rendered, prints, err := r.renderTemplate(ctx, &budget, guest, template{r.vendorTemplate, text, watched})
	if err != nil {
		return Rendered{}, prints, err
	}
	// OpenStack's JSON takes only text: what one guest cannot have, none has.
	if _, err := multipart.Text(rendered.Body, r.maxSize); err != nil {
		return Rendered{}, prints, fmt.Errorf("vendordata_template: %s: %w", r.vendorTemplate, err)
	}
	return rendered, prints, nil
}

func (r *Renderer) renderTemplate(ctx context.Context, budget *stpl.Budget, guest *instance.Instance, found template) (Rendered, []fingerprint, error) {
	prints := found.watched
	body, raw, err := Raw(found.name, found.text, r.rawDefault)
	if err != nil {
		return Rendered{}, prints, err
	}
	if HasMark(body) {
		r.warnOnce(found.name, MarkWarning)
	}
	if raw {
		return Rendered{Body: []byte(body), Template: found.name}, prints, nil
	}
	tpl, err := r.engine.Compile(found.name, body)
	if err != nil {
		return Rendered{}, prints, err
	}
	out, err := tpl.RenderWithin(ctx, budget, guestVariables(r.site, guest), func(path string) {
		prints = append(prints, takeFingerprint(path))
	})
	if err != nil {
		return Rendered{}, prints, err
	}
	if out.Escaped {
		r.warnOnce(found.name, "HTML escaping changed a value in user-data; write {{!value}}, or set template_escape = none in [mdserver]")
	}
	return Rendered{Body: out.Text, Template: found.name}, prints, nil
}

// FailedLine returns the line of a template that an error of Render names, nil if it
// names none.
func FailedLine(err error) *api.TemplateLine {
	if bad, ok := errors.AsType[*stpl.Error](err); ok && bad.Line > 0 {
		return &api.TemplateLine{Name: bad.File, Line: bad.Line}
	}
	return nil
}

// warning is what a template was warned of.
type warning struct{ template, message string }

func (r *Renderer) warnOnce(template, message string) {
	if _, before := r.warned.LoadOrStore(warning{template, message}, true); !before {
		r.log.Warn(message, "template", template)
	}
}
