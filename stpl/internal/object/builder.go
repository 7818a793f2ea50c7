package object

import "strings"

// Builder collects text and charges for every buffer that it allocates on the
// way, not only for what is written. After an error it takes no more text, and
// Text returns that error, as does every Write.
type Builder struct {
	t   *Thread
	b   strings.Builder
	err error
}

// NewBuilder makes an empty builder, which must not be copied.
func NewBuilder(t *Thread) *Builder { return &Builder{t: t} }

// Grow makes room for n more bytes.
func (w *Builder) Grow(n int) {
	if w.err != nil || w.b.Cap()-w.b.Len() >= n {
		return
	}
	if w.err = w.t.Alloc(2*w.b.Cap() + n); w.err == nil { // as much as Grow takes
		w.b.Grow(n)
	}
}

// Write adds a text.
func (w *Builder) Write(s string) error {
	if w.Grow(len(s)); w.err == nil {
		w.b.WriteString(s)
	}
	return w.err
}

// Text returns what was written.
func (w *Builder) Text() (string, error) { return w.b.String(), w.err }

// String returns what was written.
func (w *Builder) String() string { return w.b.String() }
