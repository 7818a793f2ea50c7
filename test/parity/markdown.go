package parity

import (
	"fmt"
	"strings"
)

// Markdown writes the deviations as a page of the documentation.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Where mdserver answers differently from the original

<!-- Written by "go generate ./test/parity". -->

mdserver gives the answers that the original mdserver gives: same paths, same status, same
text. The differences below are deliberate. The end-to-end tests send the requests of
` + "`test/testdata/parity/requests.txt`" + ` and accept these differences and no others.
`)
	for _, d := range Deviations {
		fmt.Fprintf(&b, "\n## %s\n\n- The original: %s.\n- mdserver: %s.\n- Why: %s\n", d.Where, d.Theirs, d.Ours, d.Reason)
	}
	b.WriteString(`
## Beyond single answers

- A new guest's instance-id is made from its UUID, no longer from its address, so that a reused
  address does not repeat an id. Guests imported from the original's database keep theirs.
- A guest keeps its address until it is released; the original drew a random one.
- Every path, of a directory or of a value, gives the same answer with a trailing slash and without,
  and doubled slashes count as one; the original answered 404.
- Every answer has a Content-Length.
`)
	return b.String()
}
