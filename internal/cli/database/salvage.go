package database

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/counted"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
)

// salvageReport is what `mdserver database salvage --json` prints.
type salvageReport struct {
	File     string           `json:"file"`
	Sound    bool             `json:"sound"` // all is sure, and nothing is missing
	Guests   salvageCount     `json:"guests"`
	Resting  salvageCount     `json:"resting"` // addresses
	Notes    salvageCount     `json:"notes"`   // of the server's, such as the key of tokens
	Missing  uint64           `json:"missing"` // changes
	Problems []string         `json:"problems"`
	Records  []salvagedRecord `json:"records"`            // guests and addresses
	Snapshot string           `json:"snapshot,omitempty"` // the newest that can be restored
	Replaced bool             `json:"replaced"`
	Kept     string           `json:"kept,omitempty"`  // copy of the damaged file
	Aside    string           `json:"aside,omitempty"` // file with the records that are uncertain
}

type salvageCount struct {
	Sure      int `json:"sure"`
	Likely    int `json:"likely"`
	Uncertain int `json:"uncertain"` // versions; a record may have several
}

// salvagedRecord is one version of a guest or of an address in quarantine.
type salvagedRecord struct {
	Kind      string              `json:"kind"` // "guest" or "resting"
	Name      string              `json:"name"` // of the guest, or the address
	UUID      string              `json:"uuid"`
	Updated   time.Time           `json:"updated"`
	Certainty boltstore.Certainty `json:"certainty"`
}

func salvageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "salvage [FILE]",
		Short: "Save what is left of a damaged database",
		Long: `Read a damaged database page by page, and put what is left of it in its place.
FILE is the configured database, if none is given. No server may have it open.

Each record has a checksum, and each change notes sums over all records. They
show how far a record can be trusted:

  sure       it is as it was last written
  likely     it is whole, and the file has no version that may be newer
  uncertain  there are several versions, or it may have been deleted

Sure and likely records are kept. Uncertain ones are set aside in a file beside
the database; while that file exists, their addresses and names are given to no
other guest. The damaged database is kept beside the new one.

The exit code is 0 if all records are sure, 1 if some are not or something is
lost, and 3 if the file cannot be read.`,
		Example: `  mdserver database salvage --dry-run
  mdserver database salvage --yes`,
		Args: command.AtMost(1),
	}
	view.Flags(cmd, false)
	dryRun := cmd.Flags().Bool("dry-run", false, "show what can be saved, and change nothing")
	yes := command.YesFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := databasePath(cmd, args)
		if err != nil {
			return err
		}
		salvaged, err := boltstore.Salvage(path)
		if err != nil {
			return unreadableDatabase(err)
		}
		result, err := salvageReportOf(path, salvaged)
		if err != nil {
			return err
		}
		if !*dryRun {
			if !*yes {
				_ = printSalvage(cmd.ErrOrStderr(), result) // what is asked about
			}
			if err := mayReplace(cmd, *yes); err != nil {
				return err
			}
			if result.Kept, result.Aside, err = salvaged.Replace(); err != nil {
				return unreadableDatabase(err)
			}
			result.Replaced = true
		}
		return view.Show(cmd, salvageView, result)
	}
	return cmd
}

// unreadableDatabase is the error of a database that cannot be read.
func unreadableDatabase(err error) error {
	if errors.Is(err, boltstore.ErrInUse) {
		err = errRunning
	}
	return exit.With(exit.Unreadable, err)
}

var salvageView = view.View[salvageReport]{
	Text:  printSalvage,
	Wrong: func(r salvageReport) bool { return !r.Sound },
}

func salvageReportOf(path string, s *boltstore.Salvaged) (salvageReport, error) {
	count := func(bucket string) salvageCount {
		return salvageCount{s.Count(bucket, boltstore.Sure), s.Count(bucket, boltstore.Likely), s.Count(bucket, boltstore.Uncertain)}
	}
	r := salvageReport{
		File: path, Sound: s.Sound(), Guests: count(boltstore.Instances), Resting: count(boltstore.Resting), Notes: count(boltstore.Meta),
		Missing: s.Missing, Problems: append([]string{}, s.Problems...), Records: []salvagedRecord{},
	}
	if !s.Sound() {
		r.Snapshot = backup.NewestSound(path)
	}
	for _, one := range s.Records {
		switch one.Bucket {
		case boltstore.Instances:
			var guest instance.Instance
			if err := json.Unmarshal(one.Text, &guest); err != nil {
				return r, err
			}
			r.Records = append(r.Records, salvagedRecord{"guest", guest.Name, guest.UUID.String(), guest.LastUpdate, one.Certainty})
		case boltstore.Resting:
			var resting instance.Resting
			if err := json.Unmarshal(one.Text, &resting); err != nil {
				return r, err
			}
			r.Records = append(r.Records, salvagedRecord{"resting", resting.Addr.String(), resting.UUID.String(), resting.Since, one.Certainty})
		}
	}
	return r, nil
}

func printSalvage(out io.Writer, r salvageReport) error {
	for _, p := range r.Problems {
		output.Printf(out, "problem: %s\n", p)
	}
	for _, one := range r.Records {
		if one.Certainty != boltstore.Sure {
			output.Printf(out, "%s: %s %s, uuid %s, last changed %s\n", one.Certainty, one.Kind, one.Name, one.UUID, one.Updated.Format(time.RFC3339))
		}
	}
	for _, part := range []struct {
		one, many string
		salvageCount
	}{{"guest is", "guests are", r.Guests}, {"address in quarantine is", "addresses in quarantine are", r.Resting}, {"note is", "notes are", r.Notes}} {
		output.Printf(out, "%s: %s sure, %s likely, %s uncertain\n", r.File, counted.Of(part.Sure, part.one, part.many),
			counted.Of(part.Likely, "is", "are"), counted.Of(part.Uncertain, "version is", "versions are"))
	}
	if r.Snapshot != "" {
		output.Printf(out, "the newest snapshot that can be restored instead: %s\n", r.Snapshot)
	}
	if !r.Replaced {
		return nil
	}
	if r.Aside != "" {
		output.Printf(out, "set aside: %s\n", r.Aside)
	}
	output.Printf(out, "kept: %s\n", r.Kept)
	return output.Printf(out, "salvaged %s; start the server: systemctl start mdserver\n", r.File)
}

func compactCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compact [FILE]",
		Short: "Write the database as a new file, without unused space",
		Long: `Write a sound database as a new file, without the space that former changes have
left in it. FILE is the configured database, if none is given. No server may
have it open; a server does the same at each start. The former file is kept
beside the new one. A damaged database is refused, see "mdserver database
salvage".

The exit code is 3 if the database cannot be used.`,
		Example: "  mdserver database compact",
		Args:    command.AtMost(1),
	}
	return view.Report(cmd, compactView, func(cmd *cobra.Command, args []string) (r compactReport, err error) {
		path, err := databasePath(cmd, args)
		if err != nil {
			return r, err
		}
		if r, err = compact(path); err != nil {
			err = unreadableDatabase(err)
		}
		return r, err
	})
}

var compactView = view.View[compactReport]{Text: func(w io.Writer, r compactReport) error {
	return output.Printf(w, "kept: %s\n%s: %d bytes, before %d\n", r.Kept, r.File, r.After, r.Before)
}}

// compactReport is what `mdserver database compact --json` prints.
type compactReport struct {
	File   string `json:"file"`
	Before int64  `json:"before"` // bytes
	After  int64  `json:"after"`
	Kept   string `json:"kept"` // copy of the former file
}

func compact(path string) (r compactReport, err error) {
	r.File = path
	before, err := os.Stat(path)
	if err != nil {
		return r, err
	}
	if r.Kept, err = boltstore.Compact(path); err != nil {
		return r, err
	}
	after, err := os.Stat(path)
	if err != nil {
		return r, err
	}
	r.Before, r.After = before.Size(), after.Size()
	return r, nil
}
