// Package userdata decides which templates serve a guest as its user-data and
// vendor-data, with which variables, and renders them. Results are kept until
// the guest's record, the configuration or one of the files involved changes.
package userdata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/stpl"
)

// ErrNoTemplate says that the domain's metadata names a template
// (userdata_prefix) that does not exist. The guest gets 404.
var ErrNoTemplate = errors.New("no such template")

const (
	// maxCached bounds how many rendered documents are kept.
	maxCached = 8192
	// recheck is how long files are trusted not to have changed since they were
	// last looked at: to look costs more than all else that a request takes.
	recheck = 100 * time.Millisecond
)

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
	vendorTemplate  string
	rawDefault      bool
	roots           []string
	engine          *stpl.Engine
	site            map[string]any
	redact          func(string) string
	debugDir        string
	log             *slog.Logger
	now             func() time.Time
	cache           *lru.Cache[document, *cached]
	warned          sync.Map // templates that were warned of
}

// document is one of the things that are rendered for a guest.
type document struct {
	kind  string // user-data or vendor-data
	guest uuid.UUID
}

// cached is what was rendered, and of what it was made.
type cached struct {
	guest    *instance.Instance
	rendered Rendered
	prints   []fingerprint
	checked  atomic.Int64 // when the files were last known not to have changed, in ns since 1970
}

// fresh reports whether it is still what would be rendered for the guest. The
// files are looked at no more often than once a recheck.
func (c *cached) fresh(guest *instance.Instance, now time.Time) bool {
	if c.guest != guest {
		return false
	}
	if age := now.UnixNano() - c.checked.Load(); age >= 0 && age < int64(recheck) {
		return true
	}
	if !unchanged(c.prints) {
		return false
	}
	c.checked.Store(now.UnixNano())
	return true
}

// New makes the renderer of one configuration.
func New(cfg *config.Config, log *slog.Logger) *Renderer {
	cache, err := lru.New[document, *cached](maxCached)
	if err != nil { // only for a size below one
		panic(err)
	}
	dir := cfg.Server.UserdataDir
	roots := append([]string{dir, filepath.Join(dir, "views")}, cfg.Server.TemplatePath...)
	r := &Renderer{
		dir:             dir,
		suffixes:        cfg.Server.UserdataSuffixes,
		defaultTemplate: cfg.Server.DefaultTemplate,
		vendorTemplate:  cfg.Server.VendordataTemplate,
		rawDefault:      cfg.Server.TemplateFormat == "raw",
		roots:           roots,
		engine:          stpl.New(engineOptions(cfg, roots)),
		site:            siteVariables(cfg),
		redact:          redactor(cfg),
		log:             log,
		now:             time.Now,
		cache:           cache,
	}
	if cfg.Server.DebugUserdata {
		r.debugDir = filepath.Join(cfg.Dnsmasq.RunDir, "userdata")
	}
	return r
}

func engineOptions(cfg *config.Config, roots []string) stpl.Options {
	opts := stpl.Options{Roots: roots, Limits: stpl.Limits{
		Steps:     int64(cfg.Server.TemplateSteps),
		Memory:    int64(cfg.Server.TemplateMemory) << 20,
		Output:    int64(cfg.Server.TemplateOutput) << 10,
		Time:      cfg.Server.TemplateTime,
		Recursion: cfg.Server.TemplateRecursion,
	}}
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
	return r.cached(ctx, document{"user-data", guest.UUID}, guest, r.renderUserdata)
}

// Vendor returns the vendor-data of a guest: what the site's own template,
// vendordata_template, gives with the guest's variables. It is empty if there
// is no such template. Its errors are those of Render.
func (r *Renderer) Vendor(ctx context.Context, guest *instance.Instance) (Rendered, error) {
	if r.vendorTemplate == "" {
		return Rendered{}, nil
	}
	return r.cached(ctx, document{"vendor-data", guest.UUID}, guest, r.renderVendor)
}

// renderFunc makes a document, and tells what it depends on.
type renderFunc func(context.Context, *instance.Instance) (Rendered, []fingerprint, error)

// cached gives what was rendered before, if nothing that it was made of has
// changed since, else what render gives.
func (r *Renderer) cached(ctx context.Context, doc document, guest *instance.Instance, render renderFunc) (Rendered, error) {
	now := r.now()
	if kept, ok := r.cache.Get(doc); ok && kept.fresh(guest, now) {
		return kept.rendered, nil
	}
	rendered, prints, err := render(ctx, guest)
	if err != nil {
		err = r.clean(err)
		r.log.Error(doc.kind+" failed", "guest", guest.Name, "error", err)
		return Rendered{}, err
	}
	if settled(prints, r.now()) {
		kept := &cached{guest: guest, rendered: rendered, prints: prints}
		kept.checked.Store(now.UnixNano()) // before the files were read
		r.cache.Add(doc, kept)
	}
	r.keepForDebugging(doc, guest, rendered)
	return rendered, nil
}

func (r *Renderer) renderUserdata(ctx context.Context, guest *instance.Instance) (Rendered, []fingerprint, error) {
	if names := guest.Metadata.UserdataParts(); len(names) > 0 {
		return r.renderParts(ctx, guest, names)
	}
	found, err := r.search(guest)
	if err != nil {
		return Rendered{}, nil, err
	}
	return r.renderTemplate(ctx, guest, found)
}

func (r *Renderer) renderVendor(ctx context.Context, guest *instance.Instance) (Rendered, []fingerprint, error) {
	watched := []fingerprint{takeFingerprint(r.vendorTemplate)}
	text, err := readFile(os.OpenFile(r.vendorTemplate, readFlags, 0))
	if err != nil {
		return Rendered{}, nil, fmt.Errorf("vendordata_template: %w", err)
	}
	return r.renderTemplate(ctx, guest, template{r.vendorTemplate, text, watched})
}

func (r *Renderer) renderTemplate(ctx context.Context, guest *instance.Instance, found template) (Rendered, []fingerprint, error) {
	prints := found.watched
	body, raw := stpl.Raw(found.name, found.text, r.rawDefault)
	if raw {
		return Rendered{[]byte(body), found.name}, prints, nil
	}
	tpl, err := r.engine.Compile(found.name, body)
	if err != nil {
		return Rendered{}, nil, err
	}
	out, err := tpl.Render(ctx, guestVariables(r.site, guest))
	if err != nil {
		return Rendered{}, nil, err
	}
	if out.Escaped {
		r.warnEscaped(found.name)
	}
	if len(out.Files) > 0 { // a new file elsewhere could shadow an included one
		prints = append(prints, takeFingerprints(slices.Concat(out.Files, r.roots))...)
	}
	return Rendered{out.Text, found.name}, prints, nil
}

func (r *Renderer) warnEscaped(template string) {
	if _, before := r.warned.LoadOrStore(template, true); before {
		return
	}
	r.log.Warn("HTML escaping changed a value in user-data; write {{!value}}, or set template_escape = none in [mdserver]",
		"template", template)
}

// clean removes the values of secrets from an error's text. The error keeps
// its identity for errors.Is.
func (r *Renderer) clean(err error) error {
	text := r.redact(err.Error())
	if text == err.Error() {
		return err
	}
	if errors.Is(err, ErrNoTemplate) {
		return fmt.Errorf("%w: %s", ErrNoTemplate, text)
	}
	return errors.New(text)
}
