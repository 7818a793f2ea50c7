package scan

import "strings"

// literals finds where the string literals of a source end, as Bottle's
// pattern for them does: they may run over several lines. The ends for one
// kind of quote are worked out together, so that quotes that nothing closes do
// not each cost a search to the end of the source.
type literals struct {
	src  string
	ends map[string][]int32 // by delimiter
}

// at returns the length of the string literal at i, 0 if there is none.
func (l *literals) at(i int) int {
	quote := i
	if quote < len(l.src) && strings.IndexByte("urbURB", l.src[quote]) >= 0 {
		quote++
	}
	if quote >= len(l.src) || l.src[quote] != '\'' && l.src[quote] != '"' {
		return 0
	}
	if end := l.end(quote); end > 0 {
		return end - i
	}
	return 0
}

// end returns the index after the literal whose quote is at i, -1 if it has
// no end.
func (l *literals) end(i int) int {
	q, rest := l.src[i:i+1], l.src[i:]
	if strings.HasPrefix(rest, strings.Repeat(q, 6)) {
		return i + 6
	}
	if long := strings.Repeat(q, 3); strings.HasPrefix(rest, long) {
		if strings.HasPrefix(rest[3:], `\`) {
			return l.close(long, i+3)
		}
		return l.close(long, i+4) // the first character may be a quote
	}
	if strings.HasPrefix(rest[1:], q) {
		return i + 2
	}
	return l.close(q, i+1)
}

// close returns the index after the first delimiter at or after i that is not
// escaped, -1 if there is none.
func (l *literals) close(delimiter string, i int) int {
	if i > len(l.src) {
		return -1
	}
	if l.ends[delimiter] == nil {
		if l.ends == nil {
			l.ends = map[string][]int32{}
		}
		l.ends[delimiter] = l.closings(delimiter)
	}
	return int(l.ends[delimiter][i])
}

// closings answers close for every index, from the last to the first.
func (l *literals) closings(delimiter string) []int32 {
	n := len(l.src)
	ends := make([]int32, n+2)
	ends[n], ends[n+1] = -1, -1
	for i := n - 1; i >= 0; i-- {
		switch {
		case strings.HasPrefix(l.src[i:], delimiter):
			ends[i] = int32(i + len(delimiter))
		case l.src[i] != '\\':
			ends[i] = ends[i+1]
		case strings.HasPrefix(l.src[i+1:], "\n"):
			ends[i] = -1 // no literal of Bottle's escapes a line's end
		default:
			ends[i] = ends[i+2]
		}
	}
	return ends
}
