package inventory_test

import (
	"context"

	"mdserver/internal/inventory/inventorytest"
)

type lab = inventorytest.Lab

const day = inventorytest.Day

var (
	newLab = inventorytest.New
	labOn  = inventorytest.On
	uid    = inventorytest.UID
	mac    = inventorytest.MAC
	dom    = inventorytest.Domain
	addrs  = inventorytest.Addrs
)

func background() context.Context { return context.Background() }
