package storetest

import (
	"testing"

	"mdserver/internal/inventory/storage"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	Run(t, func(*testing.T) Opener {
		memory := NewMemory()
		return Opener{
			Open: func() storage.Store { return memory },
			Read: func() storage.Reader { return memory },
		}
	})
}
