package server

import (
	"errors"
	"io/fs"

	"mdserver/internal/counted"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/inventory/boltstore"
)

// Database checks the file with the guests.
func Database(h *host.Facts) []finding.Finding {
	path, db := h.Config.Server.Database, h.Database
	if h.Server.Running() {
		return append(setAside(db), finding.Good("the server has %s open", path))
	}
	switch {
	case errors.Is(db.Err, fs.ErrNotExist):
		return []finding.Finding{finding.Good("%s does not exist yet; the server creates it at its first start", path)}
	case errors.Is(db.Err, fs.ErrPermission):
		return []finding.Finding{finding.Unchecked("%s: only root can read it", path)}
	case errors.Is(db.Err, boltstore.ErrInUse):
		return []finding.Finding{finding.Warn("database_in_use", "%v: it runs, but does not answer on %s", db.Err, h.Config.Server.Socket).Restart(h)}
	case errors.Is(db.Err, boltstore.ErrNewer):
		return []finding.Finding{finding.Fail("database_too_new", "the database cannot be used: %v", db.Err).
			Advise("install that version of mdserver again, or restore a backup of this version: mdserver restore FILE")}
	case db.Err != nil:
		return []finding.Finding{restore(h, finding.Fail("database_unusable", "the database cannot be used: %v", db.Err), path)}
	case len(db.Damage) > 0:
		return []finding.Finding{finding.Warn("database_damaged", "%s is damaged in %s, the first: %v", path, counted.Of(len(db.Damage), "place", "places"), db.Damage[0]).
			Advise("start the server: it sets aside what is damaged and serves all other guests")}
	}
	return append(setAside(db), finding.Good("%s has %s", path, counted.Guests(db.Guests)))
}

// restore adds what there is to do about a database that cannot be used: restore
// the newest snapshot, or begin again if there is none.
func restore(h *host.Facts, f finding.Finding, path string) finding.Finding {
	if h.Database.Exists {
		f = f.Advise("`mdserver database salvage --dry-run` shows what can be saved")
	}
	if snapshot := h.Database.Snapshot; snapshot != "" {
		return f.Advise("later registrations are lost; if you have a newer backup, restore that instead").
			Mend(finding.Mdserver(h, "restore --yes %s", snapshot))
	}
	f = f.Advise("restore a backup: `mdserver restore FILE`; without a backup, register the guests again; what else the server stored about them is lost")
	if h.Database.Exists {
		f = f.Mend(finding.Command("mv --backup=numbered %s %s", path, path+".damaged"))
	}
	return f.Mend(finding.Command("rm -f %s", path+".mark"))
}

// setAside reports records that were damaged or contradicted each other.
func setAside(db host.Database) []finding.Finding {
	var all []finding.Finding
	for _, name := range db.Asides {
		all = append(all, finding.Warn("records_set_aside", "damaged records of the database were set aside in %s", name).
			Advise("register the guests in it again, then remove the file and run `mdserver reload`"))
	}
	if db.WithheldErr != nil {
		all = append(all, finding.Unchecked("%v", db.WithheldErr))
	}
	for _, w := range db.Withheld {
		all = append(all, finding.Good("reserved: addresses and host name of %s", w))
	}
	return all
}
