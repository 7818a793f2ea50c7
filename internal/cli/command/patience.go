package command

import (
	"errors"
	"time"

	"mdserver/internal/client"
)

// Outcome is how waiting for a guest or a host ended.
type Outcome string

const (
	Reached  Outcome = "reached"
	TimedOut Outcome = "timed out"
)

// DefaultWait is how long a wait takes at most unless told otherwise.
const DefaultWait = 5 * time.Minute

const (
	// LongPoll is how long a query of the server waits for news at most.
	LongPoll = 30 * time.Second
	// RetryTime is how long a server that restarts is given before the next attempt.
	RetryTime = time.Second
)

// IsAway reports whether an error means that no server answers now.
func IsAway(err error) bool {
	return errors.Is(err, client.ErrNotRunning) || errors.Is(err, client.ErrUnreachable)
}
