package presence

import (
	"github.com/google/uuid"

	"mdserver/internal/libvirt/watch"
)

// Running tells whether a domain runs, and whether libvirt has told so.
func (r *Reconciler) Running(id uuid.UUID) (running, known bool) {
	value, known := r.running.Load(id)
	if !known {
		return false, false
	}
	return value.(bool), true
}

// FoundRunning reports whether a domain that runs did so already when libvirt's
// domains were listed for the first time: its start was not reported.
func (r *Reconciler) FoundRunning(id uuid.UUID) bool {
	_, found := r.found.Load(id)
	return found
}

// noteFound notes the running domains of a list that were not known before.
func (r *Reconciler) noteFound(domains []watch.Domain) {
	for _, d := range domains {
		if _, known := r.running.Load(d.UUID); d.Running && !known {
			r.found.Store(d.UUID, true)
		}
	}
}

// setRunning notes whether a domain runs.
func (r *Reconciler) setRunning(id uuid.UUID, running bool) {
	r.running.Store(id, running)
	if !running {
		r.found.Delete(id)
		r.moves.setStray(id, false)
	}
}

// forgetRunning forgets a domain.
func (r *Reconciler) forgetRunning(id uuid.UUID) {
	r.running.Delete(id)
	r.found.Delete(id)
	r.moves.setStray(id, false)
}

// keepRunning forgets the domains that libvirt no longer has.
func (r *Reconciler) keepRunning(here map[uuid.UUID]bool) {
	r.running.Range(func(key, _ any) bool {
		if !here[key.(uuid.UUID)] {
			r.forgetRunning(key.(uuid.UUID))
		}
		return true
	})
}

// Domains returns how many domains libvirt has, as far as it has told.
func (r *Reconciler) Domains() (count int) {
	r.running.Range(func(any, any) bool {
		count++
		return true
	})
	return count
}
