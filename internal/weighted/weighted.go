// Package weighted has a cache that is bounded by the memory that its entries
// take, and not only by their number.
package weighted

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Cache keeps the values that were used last. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu      sync.Mutex
	entries *simplelru.LRU[K, entry[V]]
	weight  int64 // of all entries
	most    int64
}

type entry[V any] struct {
	value  V
	weight int64
}

// New makes a cache of at most so many entries and, as long as it has more
// than one, of at most so many bytes. Both must be positive.
func New[K comparable, V any](entries int, bytes int64) *Cache[K, V] {
	c := &Cache[K, V]{most: bytes}
	var err error
	c.entries, err = simplelru.NewLRU(entries, func(_ K, e entry[V]) { c.weight -= e.weight })
	if err != nil { // only for a number of entries below one
		panic(err)
	}
	return c
}

// Get returns the value of a key.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.Get(key)
	return e.value, ok
}

// Add stores a value that takes so many bytes, and drops those that were not
// used for longest if there are too many.
func (c *Cache[K, V]) Add(key K, value V, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Remove(key) // its weight goes with it
	c.weight += bytes
	c.entries.Add(key, entry[V]{value, bytes})
	for c.weight > c.most && c.entries.Len() > 1 {
		c.entries.RemoveOldest()
	}
}
