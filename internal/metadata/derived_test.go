package metadata

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

func TestInstanceType(t *testing.T) {
	tests := []struct {
		cpus   int
		memory uint64
		chosen string
		want   string
	}{
		{2, 4 << 30, "", "kvm.2x4g"},
		{1, 768 << 20, "", "kvm.1x768m"},
		{2, 4 << 30, "t3.large", "t3.large"},
		{2, 4 << 30, "two words", "kvm.2x4g"},
		{2, 4 << 30, strings.Repeat("x", 64), strings.Repeat("x", 64)},
		{2, 4 << 30, strings.Repeat("x", 65), "kvm.2x4g"},
		{0, 4 << 30, "", "kvm.unknown"},
		{2, 0, "", "kvm.unknown"},
	}
	for _, tt := range tests {
		doc := Document{Hardware: instance.Hardware{VCPUs: tt.cpus, Memory: tt.memory}, Values: map[string]string{"instance_type": tt.chosen}}
		if got := doc.InstanceType(); got != tt.want {
			t.Errorf("%d CPUs, %d bytes, chosen %q: %q, want %q", tt.cpus, tt.memory, tt.chosen, got, tt.want)
		}
	}
}

func TestImageID(t *testing.T) {
	doc := Document{UUID: uuid.MustParse("7e5a544d-d555-4133-a443-8229415be7ab")}
	if got := doc.ImageID(); got != ResourceID("ami", doc.UUID.String()) {
		t.Errorf("without a choice it is %q", got)
	}
	doc.Values = map[string]string{"ami_id": "debian-12.20260101"}
	if got := doc.ImageID(); got != "debian-12.20260101" {
		t.Errorf("it is %q, not as chosen", got)
	}
}
