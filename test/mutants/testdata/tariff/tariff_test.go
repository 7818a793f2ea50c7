package tariff

import "testing"

func TestAdult(t *testing.T) {
	if Adult(17) || !Adult(18) {
		t.Error("the full price begins at the wrong age")
	}
}
