package stpl

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxCompiled and maxCompiledBytes bound the templates that an engine keeps.
const (
	maxCompiled      = 8192
	maxCompiledBytes = 64 << 20
)

// cache keeps the compiled templates that were used last, by name. It is
// bounded by their memory, too, as long as it has more than one.
type cache struct {
	mu      sync.Mutex
	entries *simplelru.LRU[string, *Template]
	weight  int64 // of all entries
}

func newCache() *cache {
	c := &cache{}
	entries, err := simplelru.NewLRU(maxCompiled, func(_ string, t *Template) { c.weight -= t.weight() })
	if err != nil { // only for a number of entries below one
		panic(err)
	}
	c.entries = entries
	return c
}

// get returns the template of that name if its source is the same.
func (c *cache) get(name, source string) (*Template, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.entries.Get(name)
	return t, ok && t.source == source
}

func (c *cache) add(t *Template) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Remove(t.name) // its weight goes with it
	c.weight += t.weight()
	c.entries.Add(t.name, t)
	for c.weight > maxCompiledBytes && c.entries.Len() > 1 {
		c.entries.RemoveOldest()
	}
}
