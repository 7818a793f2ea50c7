package presence

import (
	"github.com/google/uuid"

	"mdserver/internal/libvirt/watch"
)

// Running tells whether a domain runs, and whether libvirt has told so.
func (k *Reconciler) Running(id uuid.UUID) (running, known bool) {
	value, known := k.running.Load(id)
	if !known {
		return false, false
	}
	return value.(bool), true
}

// FoundRunning reports whether a domain that runs did so already when libvirt's
// domains were listed for the first time: its start was not reported.
func (k *Reconciler) FoundRunning(id uuid.UUID) bool {
	_, found := k.found.Load(id)
	return found
}

// noteFound notes the running domains of a list that were not known before.
func (k *Reconciler) noteFound(domains []watch.Domain) {
	for _, d := range domains {
		if _, known := k.running.Load(d.UUID); d.Running && !known {
			k.found.Store(d.UUID, true)
		}
	}
}

// setRunning notes whether a domain runs.
func (k *Reconciler) setRunning(id uuid.UUID, running bool) {
	k.running.Store(id, running)
	if !running {
		k.found.Delete(id)
		k.moves.setStray(id, false)
	}
}

// forgetRunning forgets a domain.
func (k *Reconciler) forgetRunning(id uuid.UUID) {
	k.running.Delete(id)
	k.found.Delete(id)
	k.moves.setStray(id, false)
}

// keepRunning forgets the domains that libvirt no longer has.
func (k *Reconciler) keepRunning(here map[uuid.UUID]bool) {
	k.running.Range(func(key, _ any) bool {
		if !here[key.(uuid.UUID)] {
			k.forgetRunning(key.(uuid.UUID))
		}
		return true
	})
}

// Domains returns how many domains libvirt has, as far as it has told.
func (k *Reconciler) Domains() (count int) {
	k.running.Range(func(any, any) bool {
		count++
		return true
	})
	return count
}
