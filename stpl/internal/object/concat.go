package object

// growing is the last text that + made and the buffer that it ends. A template
// that builds a text piece by piece appends to that buffer, so that time and
// memory grow with the text and not with its square.
type growing struct {
	text string
	buf  Builder
}

// minJoined is the least length that makes a buffer worth its memory.
const minJoined = 256

// appended returns a + b.
func (t *Thread) appended(a, b string) (string, error) {
	if err := t.Work(len(b)); err != nil {
		return "", err
	}
	if a == "" || b == "" {
		return a + b, nil
	}
	j := &t.joined
	if len(a) < minJoined || len(a) != len(j.text) || a != j.text {
		if err := t.Alloc(len(a) + len(b)); err != nil {
			return "", err
		}
		j.text, j.buf = a+b, Builder{}
		return j.text, nil
	}
	if j.buf.t == nil { // the second time: it may go on
		j.buf.t = t
		if err := j.buf.Write(a); err != nil {
			return "", err
		}
	}
	if err := j.buf.Write(b); err != nil {
		return "", err
	}
	j.text = j.buf.String()
	return j.text, nil
}
