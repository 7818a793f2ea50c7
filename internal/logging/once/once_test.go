package once_test

import (
	"errors"
	"testing"

	"mdserver/internal/logging/once"
)

func TestComplaint(t *testing.T) {
	var c once.Complaint
	for i, attempt := range []struct {
		err  error
		said bool
	}{
		{nil, false},
		{errors.New("no bridge"), true},
		{errors.New("no bridge"), false},
		{errors.New("no address"), true},
		{nil, false},
		{errors.New("no address"), true},
	} {
		if got := c.New(attempt.err); got != attempt.said {
			t.Errorf("attempt %d, %v: %v", i, attempt.err, got)
		}
		if want := attempt.err; (want == nil) != (c.String() == "") || want != nil && c.String() != want.Error() {
			t.Errorf("attempt %d: the last error is %q, want %v", i, c.String(), want)
		}
	}
}
