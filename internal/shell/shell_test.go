package shell

import (
	"os/exec"
	"testing"
)

// Whatever is quoted is one argument for a shell, the same text.
func FuzzQuote(f *testing.F) {
	for _, word := range []string{"", "web1", "a b", "it's", "$(id)", "`id`", "a\nb", `\`, "-n", "*", "~", "ä"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		for _, r := range word {
			if r == 0 {
				t.Skip("no argument holds a NUL")
			}
		}
		out, err := exec.Command("/bin/sh", "-c", "printf %s. "+Quote(word)).Output()
		if err != nil || string(out) != word+"." {
			t.Errorf("%q became %q (%v)", word, out, err)
		}
	})
}
