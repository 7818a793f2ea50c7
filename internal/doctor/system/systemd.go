package system

import (
	"context"
	"strings"
)

// Unit is a unit of systemd.
type Unit struct {
	State string // such as active; "" if there is no systemd or no such unit
	User  string // that it runs as; "" for root
}

// Unit reads the state of a unit.
func (r Reader) Unit(ctx context.Context, name string) Unit {
	return Unit{State: r.Property(ctx, name, "ActiveState"), User: r.Property(ctx, name, "User")}
}

// Property asks systemd about a unit. It returns "" if there is no systemd or
// no such unit.
func (r Reader) Property(ctx context.Context, name, property string) string {
	if !r.Exists("run/systemd/system") {
		return ""
	}
	state, err := r.Run(ctx, "systemctl", "show", "--property=LoadState", "--value", name)
	if err != nil || strings.TrimSpace(state) != "loaded" {
		return ""
	}
	value, err := r.Run(ctx, "systemctl", "show", "--property="+property, "--value", name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(value)
}
