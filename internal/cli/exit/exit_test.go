package exit

import (
	"errors"
	"fmt"
	"io/fs"
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
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Code(tt.err); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}
