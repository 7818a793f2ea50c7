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

// Words that need no quotes get none, so that commands stay readable.
func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"": "''", "web1": "web1", "--config": "--config", "/etc/a_b.conf": "/etc/a_b.conf", "root@10.0.0.1:22": "root@10.0.0.1:22", "a=b%c+d,e": "a=b%c+d,e",
		"a b": "'a b'", "~": "'~'", "it's": `'it'\''s'`, "ä": "'ä'", "a;b": "'a;b'", "#a": "'#a'", "!a": "'!a'", "a*": "'a*'", "{a,b}": "'{a,b}'",
	} {
		if got := Quote(word); got != want {
			t.Errorf("%q is quoted as %s, want %s", word, got, want)
		}
	}
}
