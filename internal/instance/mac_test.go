package instance

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseMAC(t *testing.T) {
	tests := []struct {
		text   string
		want   string
		reason string
	}{
		{"52:54:00:12:34:56", "52:54:00:12:34:56", ""},
		{"52:54:00:AB:CD:EF", "52:54:00:ab:cd:ef", ""},
		{"52-54-00-12-34-56", "52:54:00:12:34:56", ""},
		{"5254.0012.3456", "52:54:00:12:34:56", ""},
		{"", "", "is not a MAC address"},
		{"52:54:00:12:34", "", "is not a MAC address"},
		{"52:54:00:12:34:5g", "", "is not a MAC address"},
		{" 52:54:00:12:34:56", "", "is not a MAC address"},
		{"02:00:5e:10:00:00:00:01", "", "is not a MAC address"}, // EUI-64
		{"00:00:00:00:00:00", "", "all zeros"},
		{"01:00:5e:00:00:01", "", "group"},
		{"ff:ff:ff:ff:ff:ff", "", "group"},
	}
	for _, tt := range tests {
		mac, err := ParseMAC(tt.text)
		if tt.reason == "" {
			if err != nil || mac.String() != tt.want {
				t.Errorf("ParseMAC(%q) = %v, %v; want %s", tt.text, mac, err, tt.want)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.reason) || !mac.IsZero() {
			t.Errorf("ParseMAC(%q) = %v, %v; want an error with %q", tt.text, mac, err, tt.reason)
		}
	}
}

func TestMACAsJSON(t *testing.T) {
	for _, text := range []string{`"52:54:00:12:34:56"`, `""`} {
		var mac MAC
		if err := json.Unmarshal([]byte(text), &mac); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(mac); err != nil || string(again) != text {
			t.Errorf("%s became %s, %v", text, again, err)
		}
	}
	mac := MAC{2}
	if err := json.Unmarshal([]byte(`"rubbish"`), &mac); err == nil {
		t.Error("rubbish was taken for a MAC address")
	}
}
