package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/database"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/config"
	"mdserver/internal/counted"
	"mdserver/internal/etcd"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/etcdstore"
	"mdserver/internal/inventory/migrate"
)

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate --to etcd|bolt",
		Short: "Move the guests of this host into etcd, or back into its database",
		Long: `Move the guests of this host, with their addresses and the addresses in
quarantine, into the etcd cluster that the section [store] names, or back into
the database of this host. The server may run, and goes on.

--to etcd copies the guests below store.prefix, where other hosts may have theirs,
reads them back and compares each record. If a guest has a name, host name, MAC
address, address or instance-id that another guest of the fleet has, all conflicts
are listed and nothing is written.

--to bolt compares what this host knows with etcd. Guests of other hosts will be
removed from this host's database, unless --all keeps them. Nothing in etcd changes.

The server changes over when it starts with the new store.backend. It then brings
over what has changed since, and keeps a backup of its state before. A migration
that was interrupted can be repeated, or undone with --undo until the server has
changed over.

The exit code is 0 if the guests are ready to be taken over, 1 if there are
conflicts or etcd does not answer, and 3 if the configuration cannot be read.`,
		Example: `  sudo mdserver store migrate --to etcd --dry-run
  sudo mdserver store migrate --to etcd
  sudo mdserver store migrate --undo`,
		Args: command.Exactly(0),
	}
	to := command.NewOneOf("", []string{config.BackendEtcd, config.BackendBolt}, "BACKEND")
	cmd.Flags().Var(to, "to", "`BACKEND` to move to: etcd or bolt")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(to.Accepted, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	var m mover
	cmd.Flags().BoolVar(&m.dryRun, "dry-run", false, "show what would be written, and write nothing")
	cmd.Flags().BoolVar(&m.all, "all", false, "with --to bolt: keep the guests of other hosts, too")
	cmd.Flags().BoolVar(&m.force, "force", false, "with --to bolt: do not compare with etcd, which is lost")
	undo := cmd.Flags().Bool("undo", false, "take back what was prepared")
	return view.Report(cmd, migrationView, func(cmd *cobra.Command, _ []string) (migration, error) {
		switch {
		case *undo && to.Value != "":
			return migration{}, exit.With(exit.Usage, errors.New("--undo and --to exclude each other"))
		case !*undo && to.Value == "":
			return migration{}, exit.With(exit.Usage, errors.New("say where to: --to etcd or --to bolt"))
		}
		if err := m.prepare(cmd); err != nil {
			return migration{}, err
		}
		move := map[string]func() (migration, error){config.BackendEtcd: m.toEtcd, config.BackendBolt: m.toBolt, "": m.undo}[to.Value]
		return move()
	})
}

// migration is what `mdserver store migrate --json` prints.
type migration struct {
	To        string `json:"to,omitempty"` // empty: undone
	DryRun    bool   `json:"dry_run"`
	Prefix    string `json:"prefix"`
	Inventory string `json:"inventory,omitempty"` // the ID of the one in etcd
	Guests    int    `json:"guests"`              // of this host
	*migrate.Comparison
	Removed []string `json:"removed"`          // guests that leave etcd or the database
	Former  string   `json:"former,omitempty"` // the file that will have the state before
	Next    []string `json:"next"`             // what is left to do
}

var migrationView = view.View[migration]{
	Text:  printMigration,
	Wrong: func(m migration) bool { return m.Comparison != nil && len(m.Conflicts) > 0 },
}

// mover moves the inventory of this host.
type mover struct {
	dryRun, all, force bool

	cmd     *cobra.Command
	cfg     *config.Config
	host    migrate.Host
	present *backup.Backup // what this host has
	running bool           // a server runs,
	shared  bool           // which uses etcd
	known   string         // the ID of the inventory in etcd that the database is the cache of
}

func (m *mover) prepare(cmd *cobra.Command) (err error) {
	m.cmd = cmd
	if m.cfg, err = command.LoadConfig(cmd); err != nil {
		return err
	}
	if m.host.Name, err = os.Hostname(); err != nil {
		return err
	}
	if m.present, err = database.Present(cmd, m.cfg); err != nil {
		return err
	}
	m.known, m.host.ID = etcdstore.InventoryOf(m.present.Notes), etcdstore.HostIDOf(m.present.Notes)
	server, err := command.Connect(cmd)
	if err != nil {
		return err
	}
	status, err := server.Status(cmd.Context())
	m.running = err == nil
	m.shared = slices.ContainsFunc(status.Health, func(p api.Part) bool { return p.Name == config.BackendEtcd })
	if errors.Is(err, client.ErrNotRunning) {
		err = nil
	}
	return err
}

// errDryRun ends a merge before it writes.
var errDryRun = errors.New("nothing is written")

func (m *mover) toEtcd() (migration, error) {
	result := migration{To: config.BackendEtcd, DryRun: m.dryRun, Prefix: m.cfg.Store.Prefix, Guests: len(m.present.Table.Instances), Removed: []string{}, Next: []string{}}
	if m.known != "" {
		return result, errors.New("the guests of this host are in etcd already; see `mdserver store check`")
	}
	database := m.cfg.Server.Database
	order, err := migrate.ReadOrder(database)
	if err != nil || order.To != config.BackendEtcd || order.Prefix != m.cfg.Store.Prefix {
		order = migrate.Order{To: config.BackendEtcd, Created: time.Now().UTC().Truncate(time.Second), Prefix: m.cfg.Store.Prefix}
	}
	m.host.ID = cmp.Or(m.host.ID, order.HostID, uuid.NewString())
	order.HostID = m.host.ID
	decide := func(id string, fleet instance.Table) (instance.Change, error) {
		if order.Inventory != id {
			order.Inventory, order.Copied = id, nil
		}
		c := migrate.Compare(m.present.Table, fleet, m.host, order.Copied)
		if result.Comparison == nil { // later ones find what was written
			result.Comparison = &c
		}
		switch {
		case len(c.Conflicts) > 0:
			result.Comparison = &c
			return c.Change, migrate.ConflictsError(c.Conflicts)
		case m.dryRun:
			return c.Change, errDryRun
		case id == "":
			return c.Change, nil
		}
		order.AddCopied(c.Added())
		order.Complete = false
		return c.Change, order.Write(database)
	}
	err = withEtcd(m.cmd, m.cfg, func(client *etcd.Client) (err error) {
		result.Inventory, err = etcdstore.Merge(m.cmd.Context(), client.Client, m.cfg.Store.Prefix, decide, m.progress())
		return err
	})
	_, conflicts := errors.AsType[migrate.ConflictsError](err)
	switch {
	case conflicts, errors.Is(err, errDryRun):
		return result, nil
	case err != nil:
		return result, err
	}
	order.Complete = true
	if err := order.Write(database); err != nil {
		return result, err
	}
	result.Former, result.Next = migrate.Former(database, config.BackendEtcd), m.next(config.BackendEtcd)
	return result, nil
}

// progress prints how far the copying is, on a terminal.
func (m *mover) progress() func(done, all int) {
	out := m.cmd.ErrOrStderr()
	if !output.IsTerminal(output.Beneath(out)) {
		return nil
	}
	var last time.Time
	return func(done, all int) {
		if now := time.Now(); done == all || now.Sub(last) > time.Second {
			output.Printf(out, "written: %d of %d records\n", done, all)
			last = now
		}
	}
}

// next returns what an administrator has to do after the preparation. There is nothing
// to do if the running server already uses the backend.
func (m *mover) next(to string) []string {
	uses := m.running && m.shared == (to == config.BackendEtcd)
	switch {
	case uses:
		return []string{}
	case m.cfg.Store.Backend != to:
		return []string{fmt.Sprintf("set store.backend = %s in %s", to, command.ConfigFile(m.cmd, nil)), "systemctl restart mdserver"}
	}
	return []string{"systemctl restart mdserver"}
}

func (m *mover) toBolt() (migration, error) {
	result := migration{To: config.BackendBolt, DryRun: m.dryRun, Prefix: m.cfg.Store.Prefix, Inventory: m.known, Removed: []string{}, Next: []string{}}
	if m.known == "" {
		return result, errors.New("the guests of this host are in its database already")
	}
	for _, guest := range m.present.Table.Instances {
		if m.all || guest.ServedBy(m.host.ID) {
			result.Guests++
		} else {
			result.Removed = append(result.Removed, guest.Name)
		}
	}
	if !m.force {
		if err := withEtcd(m.cmd, m.cfg, m.compareWithEtcd); err != nil {
			return result, fmt.Errorf("%w; --force moves what this host knows", err)
		}
	}
	if m.dryRun {
		return result, nil
	}
	order := migrate.Order{To: config.BackendBolt, Created: time.Now().UTC().Truncate(time.Second), All: m.all}
	if err := order.Write(m.cfg.Server.Database); err != nil {
		return result, err
	}
	result.Former, result.Next = migrate.Former(m.cfg.Server.Database, config.BackendBolt), m.next(config.BackendBolt)
	return result, nil
}

// compareWithEtcd checks that this host knows what is in etcd. Other hosts may
// change it at that moment, so it looks a few times.
func (m *mover) compareWithEtcd(client *etcd.Client) error {
	const attempts, pause, limit = 5, 300 * time.Millisecond, 15 * time.Second
	ctx, cancel := context.WithTimeout(m.cmd.Context(), limit)
	defer cancel()
	for n := 1; ; n++ {
		fleet, err := etcdstore.NewReader(client.Client, m.cfg.Store.Prefix).Load(ctx)
		if err != nil {
			return err
		}
		different := migrate.Differences(m.present.Table, fleet)
		switch {
		case len(different) == 0:
			return nil
		case n == attempts:
			return fmt.Errorf("this host does not know what is in etcd: the records of %s differ, such as %q", counted.Guests(len(different)), different[0])
		}
		time.Sleep(pause)
		if m.present, err = database.Present(m.cmd, m.cfg); err != nil {
			return err
		}
	}
}

func (m *mover) undo() (migration, error) {
	result := migration{DryRun: m.dryRun, Prefix: m.cfg.Store.Prefix, Guests: len(m.present.Table.Instances), Removed: []string{}, Next: []string{}}
	order, err := migrate.ReadOrder(m.cfg.Server.Database)
	switch {
	case err != nil:
		return result, err
	case order.To == "":
		return result, errors.New("there is nothing to undo: no migration is prepared")
	case order.To == config.BackendEtcd && m.known != "":
		return result, errors.New("the server has changed over to etcd already; `mdserver store migrate --to bolt` leads back")
	case order.To == config.BackendEtcd:
		err = m.undoCopy(order, &result)
	}
	if err != nil || m.dryRun {
		return result, err
	}
	return result, migrate.RemoveOrder(m.cfg.Server.Database)
}

// undoCopy takes the copied guests out of etcd.
func (m *mover) undoCopy(order migrate.Order, result *migration) error {
	decide := func(id string, fleet instance.Table) (instance.Change, error) {
		if id == "" || id != order.Inventory {
			return instance.Change{}, fmt.Errorf("the guests were copied into the inventory %q, and this one is %q; remove %s to forget that",
				order.Inventory, id, migrate.OrderFile(m.cfg.Server.Database))
		}
		change, names := order.Undo(fleet)
		slices.Sort(names)
		if result.Inventory = id; len(names) > 0 { // later calls find no guests left
			result.Removed = names
		}
		if m.dryRun {
			return change, errDryRun
		}
		return change, nil
	}
	return withEtcd(m.cmd, m.cfg, func(client *etcd.Client) error {
		_, err := etcdstore.Merge(m.cmd.Context(), client.Client, order.Prefix, decide, m.progress())
		if errors.Is(err, errDryRun) {
			return nil
		}
		return err
	})
}

func printMigration(w io.Writer, m migration) error {
	switch m.To {
	case config.BackendEtcd:
		printComparison(w, m)
	case config.BackendBolt:
		printNames(w, m.DryRun, "removed from the database of this host", m.Removed)
		output.Printf(w, "the database will have %s; what is in etcd below %s stays\n", counted.Guests(m.Guests), m.Prefix)
	default:
		printNames(w, m.DryRun, "removed from etcd", m.Removed)
		output.Printf(w, "the database of this host is as it was, with %s\n", counted.Guests(m.Guests))
	}
	if m.Former != "" {
		output.Printf(w, "the server will keep a backup of its state before: %s\n", m.Former)
	}
	for _, step := range m.Next {
		output.Printf(w, "next: %s\n", step)
	}
	return nil
}

func printComparison(w io.Writer, m migration) {
	printNames(w, m.DryRun, "added", m.New)
	printNames(w, m.DryRun, "changed", m.Changed)
	printNames(w, m.DryRun, "removed, because they were released here", m.Gone)
	printNames(w, false, "moved to another host, whose records stay", m.Elsewhere)
	for _, c := range m.Conflicts {
		output.Printf(w, "conflict: %s\n", c)
	}
	switch here := m.Guests - len(m.Elsewhere); {
	case len(m.Conflicts) > 0:
		output.Printf(w, "%s: nothing is written; rename or remove one guest of each\n", counted.Of(len(m.Conflicts), "conflict", "conflicts"))
	case m.DryRun:
		output.Printf(w, "%s and %s would be in etcd below %s\n", counted.Guests(here),
			counted.Of(m.Resting, "more address in quarantine", "more addresses in quarantine"), m.Prefix)
	default:
		compared := " and were compared with those of this host"
		if here == 1 {
			compared = " and was compared with that of this host"
		}
		output.Printf(w, "%s in etcd below %s,%s\n", counted.Of(here, "guest is", "guests are"), m.Prefix, compared)
	}
}

// mostNames is how many guests a line names.
const mostNames = 20

// printNames prints a line of guests, if there are some.
func printNames(w io.Writer, dryRun bool, what string, names []string) {
	if len(names) == 0 {
		return
	}
	if dryRun {
		what = "would be " + what
	}
	list := make([]string, min(len(names), mostNames))
	for i := range list {
		list[i] = output.Printable(names[i])
	}
	more := ""
	if n := len(names) - len(list); n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	output.Printf(w, "%s: %s%s\n", what, strings.Join(list, ", "), more)
}
