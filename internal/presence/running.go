package presence

import "github.com/google/uuid"

// Running tells whether a domain runs, and whether libvirt has told so.
func (k *Keeper) Running(id uuid.UUID) (running, known bool) {
	value, known := k.running.Load(id)
	if !known {
		return false, false
	}
	return value.(bool), true
}

// keepRunning forgets the domains that libvirt no longer has.
func (k *Keeper) keepRunning(here map[uuid.UUID]bool) {
	k.running.Range(func(key, _ any) bool {
		if !here[key.(uuid.UUID)] {
			k.running.Delete(key)
		}
		return true
	})
}

// Domains returns how many domains libvirt has, as far as it has told.
func (k *Keeper) Domains() (count int) {
	k.running.Range(func(any, any) bool {
		count++
		return true
	})
	return count
}
