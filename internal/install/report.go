package install

import "slices"

// Action is what became of a file, a directory, an account or a service.
type Action string

// The actions of a Change.
const (
	Created   Action = "created"
	Replaced  Action = "replaced"
	Kept      Action = "kept" // it is not what we installed, or it is yours
	Unchanged Action = "unchanged"
	Moved     Action = "moved" // a file of the Python mdserver is aside
	Removed   Action = "removed"
	Restored  Action = "restored" // a file of the Python mdserver is back
	Skipped   Action = "skipped"
	Done      Action = "done" // a command of the system was run
	Failed    Action = "failed"
)

// Change is what was done to one thing.
type Change struct {
	Action Action `json:"action"`
	Name   string `json:"name"` // a path, "user NAME", or a command
	Note   string `json:"note,omitempty"`
}

// Finding is something that mdserver leaves to the administrator.
type Finding struct {
	What     string   `json:"what"`
	Commands []string `json:"commands,omitempty"`
}

// Report tells what Install or Uninstall did, or would do.
type Report struct {
	Root     string    `json:"root,omitempty"`
	DryRun   bool      `json:"dry_run"`
	Changes  []Change  `json:"changes"`
	Findings []Finding `json:"findings"`
	Next     []Finding `json:"next"`
}

func (r *Report) add(action Action, name, note string) {
	r.Changes = append(r.Changes, Change{action, name, note})
}

// has reports whether something has been reported of a name.
func (r *Report) has(name string) bool {
	return slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Name == name })
}

// did reports whether one of these was done to a thing.
func (r *Report) did(name string, actions ...Action) bool {
	return slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Name == name && slices.Contains(actions, c.Action) })
}

func (r *Report) find(what string, commands ...string) {
	r.Findings = append(r.Findings, Finding{what, commands})
}

func (r *Report) next(what string, commands ...string) {
	r.Next = append(r.Next, Finding{what, commands})
}
