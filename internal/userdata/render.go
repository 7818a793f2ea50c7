// Package userdata decides which template serves a guest, with which
// variables, and renders it. Results are kept until the guest's record, the
// configuration or one of the files involved changes.
package userdata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
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

// maxCached bounds how many guests' user-data are kept.
const maxCached = 4096

// Rendered is the user-data of one guest.
type Rendered struct {
	Body     []byte // what the guest gets, byte for byte; read only
	Template string // the file it was made from, or "(built-in)"
}

// Renderer renders user-data under one configuration; a changed configuration
// needs a new one. It is safe for concurrent use.
type Renderer struct {
	dir             string
	suffixes        []string
	defaultTemplate string
	rawDefault      bool
	roots           []string
	engine          *stpl.Engine
	site            map[string]any
	redact          func(string) string
	debugDir        string
	log             *slog.Logger
	cache           *lru.Cache[uuid.UUID, cached]
	warned          sync.Map // templates that were warned of
}

type cached struct {
	guest    *instance.Instance
	rendered Rendered
	prints   []fingerprint
}

// New makes the renderer of one configuration.
func New(cfg *config.Config, log *slog.Logger) *Renderer {
	cache, err := lru.New[uuid.UUID, cached](maxCached)
	if err != nil { // only for a size below one
		panic(err)
	}
	dir := cfg.Server.UserdataDir
	roots := append([]string{dir, filepath.Join(dir, "views")}, cfg.Server.TemplatePath...)
	r := &Renderer{
		dir:             dir,
		suffixes:        cfg.Server.UserdataSuffixes,
		defaultTemplate: cfg.Server.DefaultTemplate,
		rawDefault:      cfg.Server.TemplateFormat == "raw",
		roots:           roots,
		engine:          stpl.New(engineOptions(cfg, roots)),
		site:            siteVariables(cfg),
		redact:          redactor(cfg),
		log:             log,
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
	if kept, ok := r.cache.Get(guest.UUID); ok && kept.guest == guest && unchanged(kept.prints) {
		return kept.rendered, nil
	}
	rendered, prints, err := r.render(ctx, guest)
	if err != nil {
		err = r.clean(err)
		r.log.Error("user-data failed", "guest", guest.Name, "error", err)
		return Rendered{}, err
	}
	if settled(prints, time.Now()) {
		r.cache.Add(guest.UUID, cached{guest, rendered, prints})
	}
	r.keepForDebugging(guest, rendered)
	return rendered, nil
}

func (r *Renderer) render(ctx context.Context, guest *instance.Instance) (Rendered, []fingerprint, error) {
	found, err := r.search(guest)
	if err != nil {
		return Rendered{}, nil, err
	}
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
