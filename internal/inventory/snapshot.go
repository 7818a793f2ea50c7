package inventory

import (
	"mdserver/internal/inventory/index"
)

// Snapshot is the whole inventory at one moment. It never changes, and reading
// it takes no lock, so it may be kept and shared. The instances it hands out
// are shared too and must not be written to.
type Snapshot struct {
	*index.Index
	revision uint64
}

// Revision counts the writes since the inventory was opened: of two snapshots
// the one with the higher revision is the newer one.
func (s *Snapshot) Revision() uint64 { return s.revision }
