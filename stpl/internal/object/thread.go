package object

import (
	"context"
	"fmt"

	"mdserver/stpl/internal/meter"
)

// Thread is the state of one render. It belongs to one goroutine.
type Thread struct {
	meter.Meter // what the render may still use; what it refuses is an exception

	joined growing
	room   *Room // never nil

	// Handling is the stack of exceptions being handled, innermost last; a
	// bare "raise" repeats the last one.
	Handling []*Exception

	local map[any]any
}

// NewThread starts a render with a budget; End must end it. Without a room of
// another render it allocates as it goes.
func NewThread(ctx context.Context, budget meter.Budget, room *Room) *Thread {
	if room == nil {
		room = new(Room)
	}
	return &Thread{Meter: meter.New(ctx, budget, refused), room: room}
}

// Local returns what a package keeps within one render under a key of its own
// type; build makes it when it is asked for first.
func (t *Thread) Local(key any, build func() any) any {
	if v, ok := t.local[key]; ok {
		return v
	}
	if t.local == nil {
		t.local = map[any]any{}
	}
	v := build()
	t.local[key] = v
	return v
}

// refused makes the exception of a limit that was reached. Templates can catch
// those of memory and recursion alone.
func refused(limit meter.Limit, message string) error {
	var err error
	switch limit {
	case meter.LimitMemory:
		err = RaiseValue(MemoryError, Str(message))
	case meter.LimitRecursion:
		err = RaiseValue(RecursionError, Str(message))
	case meter.LimitOutput:
		err = Fatal("MemoryError", "%s", message)
	default:
		err = Fatal("TimeoutError", "%s", message)
	}
	err.(*Exception).Limit = limit
	return err
}

// OutputLimit is the exception of a text that is longer than the limit, in bytes.
func OutputLimit(limit int64) error {
	return refused(meter.LimitOutput, fmt.Sprintf("the output is longer than %d bytes", limit))
}
