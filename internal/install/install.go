// Package install puts mdserver's files onto a host and takes them away again.
//
// It keeps what the administrator changed, as dpkg does with configuration files:
// a manifest remembers what was installed last, so a file that still is that may
// be replaced, and beside any other the new version is laid as "PATH.new". Files
// of the Python mdserver that are replaced or no longer needed are moved to
// "PATH.orig-mdserver", and Uninstall moves them back.
package install

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"mdserver/internal/config"
	"mdserver/internal/install/rootfs"
	"mdserver/internal/libvirt/network"
)

// Options say what to install and where.
type Options struct {
	Root   string // directory to take for "/"; "" is the running system
	Prefix string // of the program and its data; "" is /usr/local
	User   string // user that mdserver runs as; "" is mdserver
	NoUser bool   // leave accounts alone
	DryRun bool   // tell what would be done, and do nothing
	Purge  bool   // Uninstall: configuration and data too

	Executable string // the program to install
	Manual     []Page // man pages and shell completion that come with it

	UID     int  // who we are; only 0 may change owners
	Systemd bool // systemd runs this system
	Run     Runner

	Start *Start // Install: bring the server into service; nil leaves that to the administrator
	Query Query
	Load  func(path string) (*config.Config, []config.Warning, error) // reads mdserver.conf

	// Withdraw removes the server's entries from libvirt's networks, except from
	// those that are named.
	Withdraw func(ctx context.Context, cfg *config.Config, except []string) ([]network.Withdrawal, error)

	// RemoveTable takes the server's nftables table away, and reports whether
	// there was one.
	RemoveTable func() (bool, error)
}

// Page is a file that the program writes about itself. Its path is relative to
// the prefix.
type Page struct {
	Path    string
	Content []byte
}

// Runner runs a program of the system and returns an error that holds what it
// printed.
type Runner func(ctx context.Context, name string, args ...string) error

// ErrNotRoot is the answer to a user who cannot install into the running system.
var ErrNotRoot = errors.New("only root can change the running system; " +
	"use --root DIR for another directory tree, or --dry-run to list the steps")

func (o *Options) prepare() error {
	if o.Prefix == "" {
		o.Prefix = "/usr/local"
	}
	if o.User == "" {
		o.User = "mdserver"
	}
	if o.Root == "/" {
		o.Root = ""
	}
	if !path.IsAbs(o.Prefix) || strings.ContainsAny(o.Prefix, " \t\n\"'\\$`;&|<>*?%") {
		return fmt.Errorf("prefix %q: must be an absolute path of plain characters", o.Prefix)
	}
	o.Prefix = path.Clean(o.Prefix)
	if !validUser(o.User) {
		return fmt.Errorf("user %q: must be a name as useradd accepts it: a-z, 0-9, _ and -, not beginning with a digit or -, at most 32", o.User)
	}
	if o.Root == "" && o.UID != 0 && !o.DryRun {
		return ErrNotRoot
	}
	return o.checkStart()
}

// job is one run of Install or Uninstall.
type job struct {
	Options
	tree     *rootfs.Tree
	manifest *manifest
	report   *Report
	account  account // of the server
	dnsmasq  account
	port     int // of the metadata server, once the configuration has been read
	served   []served
}

func newJob(opts Options) (*job, error) {
	if err := opts.prepare(); err != nil {
		return nil, err
	}
	t, err := rootfs.Open(opts.Root, opts.DryRun)
	if err != nil {
		return nil, err
	}
	m, err := loadManifest(t, opts.Prefix, opts.UID)
	if err != nil {
		t.Close()
		return nil, err
	}
	return &job{
		Options: opts, tree: t, manifest: m,
		report: &Report{
			Root: opts.Root, DryRun: opts.DryRun,
			Changes: []Change{}, Findings: []Finding{}, Next: []Finding{}, // for JSON
		},
	}, nil
}

// Install puts everything in place. It may be called again at any time: what is in
// place stays. On an error, the report lists what was done before.
func Install(ctx context.Context, opts Options) (*Report, error) {
	j, err := newJob(opts)
	if err != nil {
		return nil, err
	}
	defer j.tree.Close()
	plan, err := makePlan(j.Options)
	if err != nil {
		return nil, err
	}
	return j.report, j.install(ctx, plan)
}

func (j *job) install(ctx context.Context, plan []item) error {
	if err := j.putInPlace(ctx, plan); err != nil {
		return errors.Join(again(err), j.saveProgress())
	}
	if err := j.tree.RemoveIfThere(leftRecord); err != nil {
		return err
	}
	j.afterInstall(ctx)
	j.findLeftovers()
	if j.Start == nil {
		j.nextSteps(ctx)
		return nil
	}
	return errors.Join(j.start(ctx), j.manifest.save(j.tree))
}

// putInPlace makes accounts, directories and files, and the list of them.
func (j *job) putInPlace(ctx context.Context, plan []item) error {
	for _, step := range []func() error{
		func() error { return j.ensureAccounts(ctx) },
		j.ensureDirectories,
		j.ensureLibvirtState,
		j.takeOverState,
		func() error { return j.noteOriginal(ctx) },
		func() error { return j.placeAll(plan) },
		func() error { return j.moveAside(ctx) },
		func() error { return j.removeObsolete(plan) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	j.manifest.Withdrawn = nil // the server makes entries again
	return j.manifest.save(j.tree)
}

// again says what to do about an error after which not all is done.
func again(err error) error {
	return fmt.Errorf("%w; once that is repaired, run the command again: it goes on from there", err)
}

// saveProgress lists what was made before an installation failed, so that the next
// one goes on from there and Uninstall undoes it.
func (j *job) saveProgress() error {
	if j.manifest.empty() {
		return nil
	}
	made, err := j.tree.Mkdir(shareDir(j.Prefix), 0o755, rootfs.NoOwner, rootfs.NoOwner)
	j.manifest.made(made)
	if err != nil {
		return err
	}
	return j.manifest.save(j.tree)
}

// removeObsolete takes away what an earlier version installed and this one
// does not. The .new files of the same version stay.
func (j *job) removeObsolete(plan []item) error {
	shipped := map[string]bool{dropIn: true}
	for _, it := range plan {
		shipped[it.path] = true
		shipped[it.path+newSuffix] = true
	}
	for _, p := range j.manifest.paths() {
		if shipped[p] {
			continue
		}
		if _, err := j.removeUnchanged(p, "no longer part of mdserver"); err != nil {
			return err
		}
		delete(j.manifest.Files, p)
	}
	return nil
}
