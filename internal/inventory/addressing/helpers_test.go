package addressing_test

import "mdserver/internal/inventory/inventorytest"

type lab = inventorytest.Lab

const day = inventorytest.Day

var (
	newLab   = inventorytest.New
	uid      = inventorytest.UID
	mac      = inventorytest.MAC
	dom      = inventorytest.Domain
	withIPv6 = inventorytest.WithIPv6
)
