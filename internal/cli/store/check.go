package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/database"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/config"
	"mdserver/internal/counted"
	"mdserver/internal/etcd"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/etcdstore"
	"mdserver/internal/inventory/migrate"
)

// report is what `mdserver store check --json` prints.
type report struct {
	Prefix    string              `json:"prefix"`
	Members   []member            `json:"members"`
	Inventory string              `json:"inventory"` // its ID; empty if there is none
	Revision  int64               `json:"revision"`  // of etcd
	Guests    int                 `json:"guests"`
	Resting   int                 `json:"resting"` // addresses
	Problems  []etcdstore.Problem `json:"problems"`
	Repaired  int                 `json:"repaired"` // claims
	Cache     cache               `json:"cache"`
}

// member is a member of the etcd cluster.
type member struct {
	Endpoint string        `json:"endpoint"`
	Usable   bool          `json:"usable"`
	Error    string        `json:"error,omitempty"`
	Version  string        `json:"version,omitempty"`
	Latency  time.Duration `json:"latency_ns"`
	Size     int64         `json:"size"` // bytes
	Alarms   []string      `json:"alarms"`
}

// cache is what this host knows of the inventory.
type cache struct {
	Known     string   `json:"known"`     // by the server or the database
	Different []string `json:"different"` // guests whose records are not those in etcd
	Trouble   string   `json:"trouble,omitempty"`
}

func (r report) wrong() bool {
	usable := 0
	for _, m := range r.Members {
		if m.Usable {
			usable++
		}
	}
	return usable < len(r.Members) || r.Inventory == "" || len(r.Problems) > r.Repaired || len(r.Cache.Different) > 0 || r.Cache.Trouble != ""
}

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the inventory in etcd, without changing it",
		Long: `Check the inventory in etcd, without changing it: the members of the cluster, that
each record can be read and contradicts no other, that the claims of names and
addresses are those of the guests, that all keys are known, and that this host
knows the same guests.

--repair writes claims that are missing and removes claims of no guest. It leaves
records as they are.

The exit code is 0 if nothing is wrong, 1 if something is or etcd does not
answer, and 3 if the configuration cannot be read. "mdserver database check" checks
the database of this host.`,
		Example: `  sudo mdserver store check
  sudo mdserver store check --repair`,
		Args: command.Exactly(0),
	}
	repair := cmd.Flags().Bool("repair", false, "correct claims that do not follow from the records")
	v := view.View[report]{Text: printStore, Wrong: report.wrong}
	return view.Report(cmd, v, func(cmd *cobra.Command, _ []string) (result report, err error) {
		cfg, err := command.LoadConfig(cmd)
		if err != nil {
			return result, err
		}
		err = withEtcd(cmd, cfg, func(client *etcd.Client) error {
			result, err = checkStore(cmd, cfg, client, *repair)
			return err
		})
		return result, err
	})
}

func checkStore(cmd *cobra.Command, cfg *config.Config, client *etcd.Client, repair bool) (report, error) {
	r := report{Prefix: cfg.Store.Prefix, Members: []member{}, Problems: []etcdstore.Problem{}}
	inspection, err := etcd.Inspect(cmd.Context(), cfg.Store)
	if err != nil {
		return r, err
	}
	for _, m := range inspection.Members {
		one := member{Endpoint: m.Endpoint, Usable: m.Usable(), Version: m.Version, Latency: m.Latency, Size: m.Size, Alarms: append([]string{}, m.Alarms...)}
		if m.Err != nil {
			one.Error = m.Err.Error()
		}
		r.Members = append(r.Members, one)
	}
	checked, err := etcdstore.Check(cmd.Context(), client.Client, cfg.Store.Prefix)
	if err != nil {
		return r, err
	}
	r.Inventory, r.Revision = checked.Inventory, checked.Revision
	r.Guests, r.Resting = len(checked.Table.Instances), len(checked.Table.Resting)
	r.Problems = append(r.Problems, checked.Problems...)
	if repair {
		if r.Repaired, err = checked.Repair(cmd.Context(), client.Client, cfg.Store.Prefix); err != nil {
			return r, err
		}
	}
	r.Cache = compareCache(cmd, cfg, checked)
	return r, nil
}

// compareCache compares what this host knows with etcd.
func compareCache(cmd *cobra.Command, cfg *config.Config, checked *etcdstore.Checked) cache {
	known := "by the server"
	server, err := command.Connect(cmd)
	if err == nil {
		_, err = server.Status(cmd.Context())
	}
	if errors.Is(err, client.ErrNotRunning) {
		known = "by the database " + cfg.Server.Database
	}
	b, err := database.Present(cmd, cfg)
	return cacheOf(known, b, err, checked)
}

// cacheOf compares what this host knows with etcd, unless err says that it could not be read.
func cacheOf(known string, b *backup.Backup, err error, checked *etcdstore.Checked) cache {
	c := cache{Known: known, Different: []string{}}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, boltstore.ErrMissing):
		c.Known = "nothing yet"
		return c
	case err != nil:
		c.Trouble = err.Error()
		return c
	}
	switch id := etcdstore.InventoryOf(b.Notes); {
	case id == "" && len(b.Table.Instances) > 0:
		c.Trouble = counted.Of(len(b.Table.Instances), "guest of this host was never in etcd; `mdserver store migrate --to etcd` brings it there",
			"guests of this host were never in etcd; `mdserver store migrate --to etcd` brings them there")
	case id == "":
		c.Known = "nothing yet"
	case id != checked.Inventory:
		c.Trouble = fmt.Sprintf("this host knows another inventory, %s", id)
	default:
		c.Different = append(c.Different, migrate.Differences(b.Table, checked.Table)...)
	}
	return c
}

func printStore(w io.Writer, r report) error {
	for _, m := range r.Members {
		switch {
		case m.Error != "":
			output.Printf(w, "member %s: does not answer: %s\n", m.Endpoint, m.Error)
		case !m.Usable:
			output.Printf(w, "member %s: cannot take changes\n", m.Endpoint)
		default:
			output.Printf(w, "member %s: etcd %s, answers in %s, %d KiB\n", m.Endpoint, m.Version, m.Latency.Round(100*time.Microsecond), m.Size>>10)
		}
		for _, alarm := range m.Alarms {
			output.Printf(w, "alarm: %s\n", alarm)
		}
	}
	for _, p := range r.Problems {
		output.Printf(w, "%s: %s: %s\n", p.Kind, p.Key, p.Text)
	}
	if r.Inventory == "" {
		output.Printf(w, "there is no inventory below %s\n", r.Prefix)
	}
	if r.Cache.Trouble != "" {
		output.Printf(w, "this host: %s\n", r.Cache.Trouble)
	}
	printNames(w, false, "known differently "+r.Cache.Known, r.Cache.Different)
	if r.Repaired > 0 {
		output.Printf(w, "%s\n", counted.Of(r.Repaired, "claim was corrected", "claims were corrected"))
	}
	return output.Printf(w, "%s: %s and %s at revision %d, %s\n",
		r.Prefix, counted.Guests(r.Guests), counted.Resting(r.Resting), r.Revision, counted.Of(len(r.Problems), "problem", "problems"))
}
