package timeline

import (
	"bytes"
	"maps"
	"sync"
)

// Document is what a guest was given.
type Document struct {
	Kind     string // UserdataDocument or VendordataDocument
	Body     []byte
	Hash     string // SHA-256 of Body in hexadecimal; empty: Served computes it
	Template string // what it was made from
}

// The kinds of documents.
const (
	UserdataDocument   = "user-data"
	VendordataDocument = "vendor-data"
)

const (
	longestContent = 1 << 20  // bytes; only the hash of a longer one is kept
	mostContents   = 16 << 20 // bytes that wait to be written
)

// contents are the documents that are not in the archive yet, each once.
type contents struct {
	mu     sync.Mutex
	byHash map[string][]byte
	bytes  int
}

// add keeps a document by its hash.
func (c *contents) add(hash string, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.byHash[hash]; known || len(body) > longestContent || c.bytes+len(body) > mostContents {
		return
	}
	if c.byHash == nil {
		c.byHash = map[string][]byte{}
	}
	c.byHash[hash] = bytes.Clone(body)
	c.bytes += len(body)
}

func (c *contents) get(hash string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byHash[hash]
}

// waiting are the documents that the next batch will have.
func (c *contents) waiting() map[string][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.byHash)
}

// written removes documents that are in the archive.
func (c *contents) written(all map[string][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for hash, body := range all {
		c.bytes -= len(body)
		delete(c.byHash, hash)
	}
}
