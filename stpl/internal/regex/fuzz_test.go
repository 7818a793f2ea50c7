package regex_test

import (
	"errors"
	"testing"
	"time"

	"mdserver/stpl/internal/regex"
)

var errSpent = errors.New("spent")

// budget returns a function that fails when n is used up.
func budget(n int) func(int) error {
	return func(used int) error {
		if n -= used; n < 0 {
			return errSpent
		}
		return nil
	}
}

// FuzzMatch looks for a pattern that panics, that is translated to one that
// regexp2 refuses, or that finds a match outside of the text.
func FuzzMatch(f *testing.F) {
	for _, pattern := range []string{
		`(a|b)*?c{2,3}`, `(?P<n>\w+)(?P=n)`, `(?<=ab)(?!c)[^\d-z]`, `(?(1)a|b)(x)`, `(?>a+)++$`, `(?ims-x:^.\b)`, `\x41\u00e9[\]^]`, `(a*)*b`, `[^\Wa]\Z`, `(?x)a # b`,
	} {
		f.Add(pattern, "aabcc x\nab", 0)
	}
	f.Fuzz(func(t *testing.T, pattern, text string, flags int) {
		flags &= int(regex.IgnoreCase | regex.MultiLine | regex.DotAll | regex.Verbose | regex.ASCII)
		re, err := regex.Compile([]rune(pattern), regex.Flags(flags), false, budget(4<<20))
		if err != nil {
			if _, bad := errors.AsType[*regex.Error](err); !bad && !errors.Is(err, errSpent) {
				t.Fatalf("an error of an unknown kind: %v", err)
			}
			return
		}
		runes := []rune(text)
		for _, anchored := range []bool{false, true} {
			at, err := re.Match(runes, regex.Options{
				End: len(runes), Anchored: anchored, Full: anchored, Advance: !anchored, Timeout: time.Second, Alloc: budget(16 << 20),
			})
			if err != nil && !errors.Is(err, regex.ErrTime) && !errors.Is(err, regex.ErrStack) && !errors.Is(err, errSpent) {
				t.Fatalf("an error of an unknown kind: %v", err)
			}
			for i := 0; i < len(at)-1; i += 2 {
				if at[i] > len(runes) || at[i+1] > len(runes) || at[i+1] < -1 || i == 0 && at[1] < at[0] {
					t.Fatalf("group %d is at %d to %d of %d characters", i/2, at[i], at[i+1], len(runes))
				}
			}
		}
	})
}
