package clients

import (
	"fmt"
	"strings"
)

// Markdown writes the clients as a table of the documentation.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| client | version | as | what it reads, and what came of it | tokens | how |\n|---|---|---|---|---|---|\n")
	for _, c := range All() {
		how := "replayed"
		if !c.Replayed() {
			how = "run: `" + c.Test + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c.Name, c.Version, c.As, c.Reads, c.Tokens, how)
	}
	return b.String()
}
