package object

import "strings"

// Builder collects text and charges for every buffer that it allocates on the
// way, not only for what is written.
type Builder struct {
	t *Thread
	b strings.Builder
}

// NewBuilder makes an empty builder, which must not be copied.
func NewBuilder(t *Thread) *Builder { return &Builder{t: t} }

// grow makes room for n more bytes.
func (w *Builder) grow(n int) error {
	if w.b.Cap()-w.b.Len() >= n {
		return nil
	}
	if err := w.t.Alloc(2*w.b.Cap() + n); err != nil { // as much as Grow takes
		return err
	}
	w.b.Grow(n)
	return nil
}

// Write adds a text.
func (w *Builder) Write(s string) error {
	if err := w.grow(len(s)); err != nil {
		return err
	}
	w.b.WriteString(s)
	return nil
}

// String returns what was written.
func (w *Builder) String() string { return w.b.String() }
