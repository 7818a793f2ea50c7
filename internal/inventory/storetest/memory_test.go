package storetest

import (
	"testing"

	"mdserver/internal/inventory"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	Run(t, func(*testing.T) Opener {
		memory := NewMemory()
		return Opener{
			Open: func() inventory.Store { return memory },
			Read: func() inventory.Reader { return memory },
		}
	})
}
