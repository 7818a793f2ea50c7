package modules

import (
	"slices"
	"strings"
	"unicode"

	"mdserver/stpl/internal/object"
)

const wrapOptions = " * initial_indent? subsequent_indent? expand_tabs? replace_whitespace? fix_sentence_endings?" +
	" break_long_words? drop_whitespace? break_on_hyphens? tabsize? max_lines? placeholder?"

func textwrapModule() members {
	return functions(
		fn("dedent", "text", dedent),
		fn("indent", "text prefix predicate?", indent),
		fn("wrap", "text width?"+wrapOptions, func(t *object.Thread, a []object.Value) (object.Value, error) {
			lines, err := wrapText(t, a)
			if err != nil {
				return nil, err
			}
			out := object.NewList(nil)
			for _, line := range lines {
				if err := out.Append(t, object.Str(line)); err != nil {
					return nil, err
				}
			}
			return out, nil
		}),
		fn("fill", "text width?"+wrapOptions, func(t *object.Thread, a []object.Value) (object.Value, error) {
			lines, err := wrapText(t, a)
			return object.Str(strings.Join(lines, "\n")), err
		}),
		fn("shorten", "text width"+wrapOptions, func(t *object.Thread, a []object.Value) (object.Value, error) {
			s, err := text(a[0])
			if err != nil {
				return nil, err
			}
			if err := charge(t, len(s)); err != nil {
				return nil, err
			}
			a[0], a[11] = object.Str(strings.Join(strings.Fields(s), " ")), object.Int(1)
			lines, err := wrapText(t, a)
			return object.Str(strings.Join(lines, "\n")), err
		}),
	)
}

func dedent(t *object.Thread, a []object.Value) (object.Value, error) {
	s, err := text(a[0])
	if err != nil {
		return nil, err
	}
	if err := charge(t, 2*len(s)); err != nil {
		return nil, err
	}
	lines := strings.Split(s, "\n")
	margin, found := "", false
	for i, line := range lines {
		body := strings.TrimLeft(line, " \t")
		if body == "" {
			lines[i] = ""
			continue
		}
		lead := line[:len(line)-len(body)]
		if !found {
			margin, found = lead, true
			continue
		}
		n := 0
		for n < len(margin) && n < len(lead) && margin[n] == lead[n] {
			n++
		}
		margin = margin[:n]
	}
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, margin)
	}
	return object.Str(strings.Join(lines, "\n")), nil
}

func indent(t *object.Thread, a []object.Value) (object.Value, error) {
	prefix, err := text(a[1])
	if err != nil {
		return nil, err
	}
	keep := object.Args{Pos: []object.Value{object.Bool(true)}}
	lines, err := object.CallMethod(t, a[0], "splitlines", &keep)
	if err != nil {
		return nil, err
	}
	b := object.NewBuilder(t)
	err = object.Each(t, lines, func(v object.Value) error {
		line, err := text(v)
		if err != nil {
			return err
		}
		if err := t.Work(len(prefix) + len(line)); err != nil {
			return err
		}
		wanted := strings.TrimSpace(line) != ""
		if !isNone(a[2]) {
			answer, err := object.CallPos(t, a[2], v)
			if err != nil {
				return err
			}
			wanted = object.Truthy(answer)
		}
		if wanted {
			if err := b.Write(prefix); err != nil {
				return err
			}
		}
		return b.Write(line)
	})
	return object.Str(b.String()), err
}

// wrapper breaks one text into lines.
type wrapper struct {
	t                                          *object.Thread
	width, maxLines                            int
	first, other, placeholder                  []rune
	sentences, breakLong, dropSpace, atHyphens bool
	lines                                      []string
}

// wrapText takes text, width and the options in their order.
func wrapText(t *object.Thread, a []object.Value) ([]string, error) {
	w := &wrapper{
		t: t, sentences: truth(a[6], false), breakLong: truth(a[7], true),
		dropSpace: truth(a[8], true), atHyphens: truth(a[9], true),
	}
	s, err := text(a[0])
	if err != nil {
		return nil, err
	}
	if w.width, err = intOr(a[1], 70); err != nil {
		return nil, err
	}
	for i, to := range map[int]*[]rune{2: &w.first, 3: &w.other, 12: &w.placeholder} {
		def := ""
		if i == 12 {
			def = " [...]"
		}
		v, err := strOr(a[i], def)
		if err != nil {
			return nil, err
		}
		*to = []rune(v)
	}
	if !isNone(a[11]) {
		if w.maxLines, err = object.IndexArg(a[11]); err != nil {
			return nil, err
		}
	}
	tabs, err := intOr(a[10], 8)
	if err != nil {
		return nil, err
	}
	if truth(a[4], true) {
		v, err := object.CallMethod(t, object.Str(s), "expandtabs", &object.Args{Pos: []object.Value{object.Int(tabs)}})
		if err != nil {
			return nil, err
		}
		s = string(v.(object.Str))
	}
	r, err := runes(t, s)
	if err != nil {
		return nil, err
	}
	if truth(a[5], true) {
		for i := range r {
			if isWrapSpace(r[i]) {
				r[i] = ' '
			}
		}
	}
	return w.wrap(r)
}

func isWrapSpace(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' }

// sentenceEnd reports a lower-case letter, then one of .!?, then an optional
// quote at the end of a chunk.
func sentenceEnd(c []rune) bool {
	n := len(c)
	if n > 0 && (c[n-1] == '"' || c[n-1] == '\'') {
		n--
	}
	return n > 1 && strings.ContainsRune(".!?", c[n-1]) && c[n-2] >= 'a' && c[n-2] <= 'z'
}

func (w *wrapper) wrap(s []rune) ([]string, error) {
	if w.width <= 0 {
		return nil, object.Raise(object.ValueError, "invalid width %d (must be > 0)", w.width)
	}
	if w.maxLines > 0 {
		margin := w.first
		if w.maxLines > 1 {
			margin = w.other
		}
		if len(margin)+len(trimLeft(w.placeholder)) > w.width {
			return nil, object.Raise(object.ValueError, "placeholder too large for max width")
		}
	}
	if err := w.t.AllocSlots(len(s)); err != nil {
		return nil, err
	}
	chunks := w.split(s)
	if w.sentences {
		for i := 0; i+1 < len(chunks); i++ {
			if string(chunks[i+1]) == " " && sentenceEnd(chunks[i]) {
				chunks[i+1] = []rune("  ")
			}
		}
	}
	for len(chunks) > 0 {
		rest, done, err := w.line(chunks)
		if err != nil || done {
			return w.lines, err
		}
		chunks = rest
	}
	return w.lines, nil
}

// line takes the chunks of one line.
func (w *wrapper) line(chunks [][]rune) (rest [][]rune, done bool, err error) {
	if err := w.t.Step(1); err != nil {
		return nil, true, err
	}
	margin := w.other
	if len(w.lines) == 0 {
		margin = w.first
	}
	width := w.width - len(margin)
	if w.dropSpace && len(w.lines) > 0 && blank(chunks[0]) {
		chunks = chunks[1:]
	}
	var line [][]rune
	length := 0
	for len(chunks) > 0 && length+len(chunks[0]) <= width {
		line, length = append(line, chunks[0]), length+len(chunks[0])
		chunks = chunks[1:]
	}
	if len(chunks) > 0 && len(chunks[0]) > width {
		line, chunks = w.long(line, chunks, length, width)
		length = 0
		for _, c := range line {
			length += len(c)
		}
	}
	if w.dropSpace && len(line) > 0 && blank(line[len(line)-1]) {
		length -= len(line[len(line)-1])
		line = line[:len(line)-1]
	}
	if len(line) == 0 {
		return chunks, false, nil
	}
	last := len(chunks) == 0 || w.dropSpace && len(chunks) == 1 && blank(chunks[0])
	if w.maxLines <= 0 || len(w.lines)+1 < w.maxLines || last && length <= width {
		return chunks, false, w.emit(margin, line...)
	}
	return nil, true, w.truncate(margin, line, length, width)
}

func (w *wrapper) emit(margin []rune, parts ...[]rune) error {
	var b strings.Builder
	b.WriteString(string(margin))
	for _, p := range parts {
		b.WriteString(string(p))
	}
	w.lines = append(w.lines, b.String())
	return charge(w.t, 32+b.Len())
}

// truncate ends the text with the placeholder.
func (w *wrapper) truncate(margin []rune, line [][]rune, length, width int) error {
	for len(line) > 0 {
		last := line[len(line)-1]
		if !blank(last) && length+len(w.placeholder) <= width {
			return w.emit(margin, append(line, w.placeholder)...)
		}
		length -= len(last)
		line = line[:len(line)-1]
	}
	if n := len(w.lines); n > 0 {
		before := strings.TrimRightFunc(w.lines[n-1], unicode.IsSpace)
		if len([]rune(before))+len(w.placeholder) <= w.width {
			w.lines[n-1] = before + string(w.placeholder)
			return nil
		}
	}
	return w.emit(margin, trimLeft(w.placeholder))
}

// long breaks a chunk that is wider than a line, or gives it a line.
func (w *wrapper) long(line, chunks [][]rune, length, width int) (newLine, rest [][]rune) {
	space := width - length
	if width < 1 {
		space = 1
	}
	chunk := chunks[0]
	switch {
	case w.breakLong:
		end := space
		if w.atHyphens && len(chunk) > space {
			if i := lastHyphen(chunk[:space]); i > 0 && strings.Trim(string(chunk[:i]), "-") != "" {
				end = i + 1
			}
		}
		end = min(end, len(chunk))
		line = append(line, chunk[:end])
		chunks[0] = chunk[end:]
		return line, chunks
	case len(line) == 0:
		return append(line, chunk), chunks[1:]
	}
	return line, chunks
}

func lastHyphen(c []rune) int {
	for i := len(c) - 1; i >= 0; i-- {
		if c[i] == '-' {
			return i
		}
	}
	return -1
}

func blank(c []rune) bool {
	return !slices.ContainsFunc(c, func(r rune) bool { return !unicode.IsSpace(r) })
}

func trimLeft(c []rune) []rune { return []rune(strings.TrimLeftFunc(string(c), unicode.IsSpace)) }
