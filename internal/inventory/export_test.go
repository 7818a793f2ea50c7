package inventory

// Waiting is how many requests wait for the writer.
func (inv *Inventory) Waiting() int { return len(inv.queue) }
