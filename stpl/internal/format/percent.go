package format

// CutKey splits the key (name) off what follows the sign % in a format string.
// The error is a ValueError.
func CutKey(s string) (key, rest string, err error) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], nil
			}
		}
	}
	return "", "", invalid("incomplete format key")
}

// CutFlags splits the flags of a directive off and notes them. Left is that
// for the alignment, which comes before zeros.
func (f *Spec) CutFlags(s string) (left bool, rest string) {
	for s != "" {
		switch s[0] {
		case '-':
			left = true
		case '+':
			f.Sign = '+'
		case ' ':
			if f.Sign == 0 {
				f.Sign = ' '
			}
		case '#':
			f.Alt = true
		case '0':
			f.Zero = true
		default:
			return left, s
		}
		s = s[1:]
	}
	return left, ""
}
