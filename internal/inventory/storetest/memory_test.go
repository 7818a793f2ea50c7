package storetest

import (
	"testing"

	"mdserver/internal/inventory"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	Run(t, func(*testing.T) func() inventory.Store {
		memory := NewMemory()
		return func() inventory.Store { return memory }
	})
}
