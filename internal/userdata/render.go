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
	maxSize         int           // of a document, in bytes
	work            time.Duration // what one document may take by the clock
	slots           chan struct{} // one for each render under way
	flights         flight.Group[job, *result]
	cache           *weighted.Cache[document, *result]
	warned          sync.Map // of warning
	rendered        OnRender
}

// OnRender is called after each render: which document (user-data, vendor-data or
// vendor_data.json), how long it took, and its error. It must not wait.
type OnRender func(document string, took time.Duration, err error)

// OnRender sets what is called after each render. It comes before the first one.
func (r *Renderer) OnRender(told OnRender) { r.rendered = told }

// New makes the renderer of one configuration.
func New(cfg *config.Config, log *slog.Logger) *Renderer {
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
	return r.shared(ctx, job{document{"user-data", guest.UUID}, guest}, r.renderUserdata)
}

// VendorJSON returns the vendor-data of a guest as OpenStack has it:
// {"cloud-init": "…"}, or an empty object if there is none. Its errors are those
// of Render.
func (r *Renderer) VendorJSON(ctx context.Context, guest *instance.Instance) (Rendered, error) {
	if r.vendorTemplate == "" {
		return Rendered{Body: []byte("{}\n")}, nil
	}
	return r.shared(ctx, job{document{"vendor_data.json", guest.UUID}, guest}, r.renderVendorJSON)
}

// Vendor returns the vendor-data of a guest: what the site's own template,
// vendordata_template, gives with the guest's variables. It is empty if there
// is no such template. Its errors are those of Render.
func (r *Renderer) Vendor(ctx context.Context, guest *instance.Instance) (Rendered, error) {
	if r.vendorTemplate == "" {
		return Rendered{}, nil
	}
	return r.shared(ctx, job{document{"vendor-data", guest.UUID}, guest}, r.renderVendor)
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

func (r *Renderer) renderVendorJSON(ctx context.Context, guest *instance.Instance) (Rendered, []fingerprint, error) {
	rendered, prints, err := r.renderVendor(ctx, guest)
	if err != nil {
		return Rendered{}, prints, err
	}
	body, err := VendorJSON(rendered.Body, r.maxSize)
	if err != nil {
		return Rendered{}, prints, fmt.Errorf("vendordata_template: %w", err)
	}
	return Rendered{body, rendered.Template}, prints, nil
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
		return Rendered{[]byte(body), found.name}, prints, nil
	}
	tpl, err := r.engine.Compile(found.name, body)
	if err != nil {
		return Rendered{}, prints, err
	}
	out, err := tpl.RenderWithin(ctx, budget, guestVariables(r.site, guest))
	// A new file can come before an included one, or be the one that was missed.
	prints = append(prints, takeFingerprints(slices.Concat(out.Files, out.Dirs))...)
	if err != nil {
		return Rendered{}, prints, err
	}
	if out.Escaped {
		r.warnOnce(found.name, "HTML escaping changed a value in user-data; write {{!value}}, or set template_escape = none in [mdserver]")
	}
	return Rendered{out.Text, found.name}, prints, nil
}

// warning is what a template was warned of.
type warning struct{ template, message string }

func (r *Renderer) warnOnce(template, message string) {
	if _, before := r.warned.LoadOrStore(warning{template, message}, true); !before {
		r.log.Warn(message, "template", template)
	}
}
