package exit

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"mdserver/internal/client"
)

func TestExitCode(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"success", nil, 0},
		{"a failure", fs.ErrNotExist, Failure},
		{"one with a code", fmt.Errorf("x: %w", With(Usage, errors.New("y"))), Usage},
		{"no server", fmt.Errorf("x: %w", client.ErrNotRunning), Unreachable},
		{"no access", fmt.Errorf("x: %w", client.ErrUnreachable), Unreachable},
		{"no such guest", fmt.Errorf("x: %w", &client.Error{Status: 404}), NotFound},
		{"refused", &client.Error{Status: 409}, Failure},
		{"everything is printed", fmt.Errorf("x: %w", Silently(Timeout)), Timeout},
		{"a code of its own, of what the server says", With(Unreadable, &client.Error{Status: 404}), Unreadable},
		{"one of several", errors.Join(fs.ErrNotExist, With(Usage, errors.New("y"))), Usage},
		{"no such guest, twice", errors.Join(&client.Error{Status: 404}, &client.Error{Status: 404}), NotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Code(tt.err); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

// TestExitCodes checks the numbers that scripts rely on.
func TestExitCodes(t *testing.T) {
	got := []int{Failure, Usage, Unreadable, NotFound, Unreachable, Trouble, Degraded, Timeout, Config}
	if want := []int{1, 2, 3, 4, 5, 6, 2, 124, 78}; !slices.Equal(got, want) {
		t.Errorf("%d, want %d", got, want)
	}
}

// TestMessages checks that an error with a code says what it said before, and is what it was.
func TestMessages(t *testing.T) {
	if err := With(Usage, nil); err != nil {
		t.Errorf("no error became %v", err)
	}
	if err := With(Unreadable, fs.ErrNotExist); !errors.Is(err, fs.ErrNotExist) || err.Error() != fs.ErrNotExist.Error() {
		t.Errorf("an error became %v", err)
	}
	if err := Silently(Trouble); err == nil || err.Error() != "" || errors.Unwrap(err) != nil {
		t.Errorf("what ends silently says %v", err)
	}
}
