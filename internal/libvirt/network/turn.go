package network

import (
	"context"
	"errors"
)

// turn is a mutex that can be waited for within a context.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errBusy
	}
}

func (t turn) tryTake() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t turn) give() { <-t }

// errBusy is what a change gets that libvirt has not taken in time.
var errBusy = errors.New("libvirt does not answer; the change will be made when it does")
