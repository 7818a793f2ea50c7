package object

import "strings"

// builder collects text and charges for every buffer that it allocates on the
// way, not only for what is written.
type builder struct {
	t *Thread
	b strings.Builder
}

// grow makes room for n more bytes.
func (w *builder) grow(n int) error {
	if w.b.Cap()-w.b.Len() >= n {
		return nil
	}
	if err := w.t.Alloc(2*w.b.Cap() + n); err != nil { // as much as Grow takes
		return err
	}
	w.b.Grow(n)
	return nil
}

func (w *builder) write(s string) error {
	if err := w.grow(len(s)); err != nil {
		return err
	}
	w.b.WriteString(s)
	return nil
}

func (w *builder) String() string { return w.b.String() }
