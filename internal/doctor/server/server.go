// Package server checks mdserver itself: its configuration, process, rights, files
// and stores. It decides by the facts alone.
package server

import (
	"errors"
	"io/fs"
	"log/slog"

	"mdserver/internal/admission"
	"mdserver/internal/counted"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
)

// Configuration checks mdserver.conf.
func Configuration(h *host.Facts) []finding.Finding {
	check := func(f finding.Finding) finding.Finding {
		return f.Advise("change that line; `%s` checks the file", finding.Command("mdserver config check %s", h.ConfigFile))
	}
	var all []finding.Finding
	if h.ConfigErr != nil {
		for _, err := range flatten(h.ConfigErr) {
			all = append(all, check(finding.Fail("configuration_invalid", "the configuration is not valid: %v", err)))
		}
		return all
	}
	for _, w := range h.ConfigWarnings {
		if w.Level >= slog.LevelWarn {
			all = append(all, check(finding.Warn("configuration_warning", "the configuration has a warning: %s", w.String())))
		}
	}
	if h.Config.Server.Upload == "local" {
		all = append(all, finding.Warn("upload_open_to_users", "mdserver.upload is local: every user of this host may register guests; mdserver's own hook needs no upload by TCP").
			Change(h, "mdserver", "upload", "root"))
	}
	return finding.Unless(all, finding.Good("%s is valid", h.ConfigFile))
}

// flatten undoes errors.Join.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// Process checks that the server answers.
func Process(h *host.Facts) []finding.Finding {
	if h.Server.Running() {
		s := h.Server.Status
		return []finding.Finding{finding.Good("mdserver %s runs, process %d, with %s", s.Version, s.PID, counted.Guests(s.Guests))}
	}
	socket := h.Config.Server.Socket
	switch {
	case errors.Is(h.Server.SocketErr, fs.ErrPermission):
		return []finding.Finding{finding.Unchecked("no access to %s: run as root or as a member of its group", socket)}
	case h.Unit.State != "":
		return []finding.Finding{finding.Fail("server_unit_failed", "the unit %s is %s: %v", host.UnitName, h.Unit.State, h.Server.Err).
			Advise("see `journalctl -u %s -n 20`", host.UnitName).Mend(startUnit(h.Unit.State))}
	}
	return []finding.Finding{finding.Fail("server_not_running", "mdserver does not run: nothing answers on %s", socket).
		Mend(finding.Mdserver(h, "serve"))}
}

// startUnit is the command that has the unit, in a state, run properly.
func startUnit(state string) string {
	if state == "active" { // and does not answer
		return finding.Command("systemctl restart %s", host.UnitName)
	}
	return finding.Command("systemctl enable --now %s", host.UnitName)
}

// Identity checks how guests are identified.
func Identity(h *host.Facts) []finding.Finding {
	var all []finding.Finding
	if h.Config.Server.VerifyMAC == string(admission.VerifyNone) {
		all = append(all, finding.Warn("mac_not_verified", "verify_mac is no: a guest that uses another guest's address can read its metadata").
			Change(h, "mdserver", "verify_mac", "bridge"))
	}
	if h.Server.Running() && h.Server.Status.Identity == admission.ByNeighbour {
		all = append(all, finding.Warn("kernel_too_old", "this kernel is older than Linux 5.10 and does not store the Ethernet source of connections: MAC addresses are verified by the neighbour table, which guests can change").
			Advise("install a newer kernel"))
	}
	return finding.Unless(all, finding.Good("a guest is identified by its address, its MAC address and, if known, its tap"))
}

// Clock checks the kernel's clock. It asks for the state only: a clock that is
// wrong makes guests refuse certificates and tokens, and leases end at odd times.
// The clock of a container is set outside of it.
func Clock(h *host.Facts) []finding.Finding {
	switch {
	case h.Clock.Container:
		return []finding.Finding{finding.Good("this host is a container; its clock is set outside")}
	case !h.Clock.Known:
		return []finding.Finding{finding.Unchecked("the kernel does not report the state of its clock")}
	case !h.Clock.Synchronised:
		return []finding.Finding{finding.Warn("clock_not_synchronised", "the clock is not synchronised").Mend("timedatectl set-ntp true")}
	}
	return []finding.Finding{finding.Good("the clock is synchronised")}
}
