package naming_test

import "mdserver/internal/inventory/inventorytest"

var (
	newLab = inventorytest.New
	labOn  = inventorytest.On
	uid    = inventorytest.UID
	mac    = inventorytest.MAC
	dom    = inventorytest.Domain
)
