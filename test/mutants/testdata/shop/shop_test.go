package shop

import "testing"

func TestPrice(t *testing.T) {
	if Price(5) != 0 || Price(6) != 10 {
		t.Error("the wrong people pay nothing")
	}
}

func TestDiscount(t *testing.T) {
	if Discount(9) != 0 || Discount(10) != 2 {
		t.Error("the wrong groups pay less")
	}
}
