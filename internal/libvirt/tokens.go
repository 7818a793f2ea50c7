package libvirt

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
)

// Bounds of a document, which keep what it costs to decode within a few times
// its size. A domain with 1,000 disks has some 15,000 elements; a chain of 200
// backing files, the longest that libvirt follows, is 200 elements deep.
const (
	maxElements   = 20_000
	maxDepth      = 256
	maxAttributes = 1024 // of one element
)

// excessError says which bound a document exceeds.
type excessError string

func (e excessError) Error() string { return "the domain definition has " + string(e) + "; " + hint }

// decoder decodes one document. Namespaces and nesting are the embedded
// decoder's concern, bounds and lines that of the tokens below it.
type decoder struct {
	*xml.Decoder
	tokens *tokens
}

func newDecoder(data []byte) *decoder {
	t := newTokens(data)
	return &decoder{xml.NewTokenDecoder(t), t}
}

// tokens reads a document within its bounds.
type tokens struct {
	text            *attributeCounter
	dec             *xml.Decoder
	elements, depth int
}

func newTokens(data []byte) *tokens {
	text := &attributeCounter{data: bytes.NewReader(data)}
	t := &tokens{text: text, dec: xml.NewDecoder(text)}
	t.dec.CharsetReader = onlyUTF8
	return t
}

// Token implements xml.TokenReader.
func (t *tokens) Token() (xml.Token, error) {
	t.text.count = 0
	token, err := t.dec.RawToken()
	switch token.(type) {
	case xml.StartElement:
		t.elements++
		t.depth++
	case xml.EndElement:
		t.depth--
	}
	switch {
	case t.elements > maxElements:
		return nil, excessError(fmt.Sprintf("more than %d elements", maxElements))
	case t.depth > maxDepth:
		return nil, excessError(fmt.Sprintf("elements nested deeper than %d levels", maxDepth))
	}
	return token, err
}

func (t *tokens) line() int {
	line, _ := t.dec.InputPos()
	return line
}

// attributeCounter ends a text at an element with too many attributes before
// the decoder has made a list of them. Each attribute has an equals sign and a
// quote; text that happens to have both is none the worse below the bound.
type attributeCounter struct {
	data   *bytes.Reader
	equals bool // the last byte other than space was an equals sign
	count  int  // since the last token
}

// ReadByte implements io.ByteReader, which the decoder reads from.
func (a *attributeCounter) ReadByte() (byte, error) {
	c, err := a.data.ReadByte()
	if err != nil {
		return 0, err
	}
	switch c {
	case ' ', '\t', '\r', '\n':
		return c, nil
	case '"', '\'':
		if a.equals {
			a.count++
		}
	}
	a.equals = c == '='
	if a.count > maxAttributes {
		return 0, excessError(fmt.Sprintf("more than %d attributes in an element", maxAttributes))
	}
	return c, nil
}

// Read implements io.Reader.
func (a *attributeCounter) Read(p []byte) (int, error) {
	for n := range p {
		c, err := a.ReadByte()
		if err != nil {
			return n, err
		}
		p[n] = c
	}
	return len(p), nil
}

var _ io.ByteReader = (*attributeCounter)(nil)
