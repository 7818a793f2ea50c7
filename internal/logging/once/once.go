// Package once says a complaint once, and not at each attempt that fails for the
// same reason.
package once

// Complaint is the last error of something that is tried again and again. The
// zero Complaint has none. It is not safe for concurrent use.
type Complaint struct{ last string }

// New notes the outcome of an attempt. It reports whether there is an error to
// complain of: one that differs from that of the attempt before.
func (c *Complaint) New(err error) bool {
	text := ""
	if err != nil {
		text = err.Error()
	}
	changed := text != c.last
	c.last = text
	return changed && err != nil
}

// String returns the last error, "" if the last attempt succeeded.
func (c *Complaint) String() string { return c.last }
