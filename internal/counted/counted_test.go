package counted

import "testing"

func TestOf(t *testing.T) {
	for want, got := range map[string]string{
		"0 claims were corrected":     Of(0, "claim was corrected", "claims were corrected"),
		"1 claim was corrected":       Of(1, "claim was corrected", "claims were corrected"),
		"2 claims were corrected":     Of(uint64(2), "claim was corrected", "claims were corrected"),
		"11 claims were corrected":    Of(int64(11), "claim was corrected", "claims were corrected"),
		"0 guests":                    Guests(0),
		"1 guest":                     Guests(1),
		"21 guests":                   Guests(21),
		"1 address in quarantine":     Resting(1),
		"2 addresses in quarantine":   Resting(2),
		"101 addresses in quarantine": Resting(101),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
