package portsecurity

import (
	"context"

	"mdserver/internal/api"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/portsecurity/table"
)

// kernel has the calls of a Reconciler to the kernel. Tests use one in memory.
type kernel struct {
	look       func() (plan.Host, error)
	watch      func(ctx context.Context, stir func()) error
	newTable   func() (rules, error)
	remove     func() (bool, error)
	generation func() (uint32, error)
	learn      func(bridge uint32, learn bool) error
	masks      func() (map[uint32]uint16, error)
	setMask    func(port uint32, mask uint16) error
}

// rules is the table of port security; see table.Table.
type rules interface {
	Apply(plan.Plan) error
	Intact() bool
	Known() bool
	Forget()
	Dropped() (map[string]api.Drops, error)
}

// thisHost returns the kernel of this host.
func thisHost() kernel {
	return kernel{
		look: look, watch: watch, remove: table.Remove, generation: table.Generation, learn: learnFromControl,
		masks: controlMasks, setMask: setControlMask,
		newTable: func() (rules, error) {
			made, err := table.New()
			if err != nil {
				return nil, err
			}
			return made, nil
		},
	}
}
