package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mdserver/internal/api"
)

func TestDescribeHealth(t *testing.T) {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	low := api.Trouble{Part: "disk", State: api.Warning, Message: "nearly full", Look: []string{"df -h /var"}}
	stuck := api.Trouble{Part: "log", State: api.Wrong, Message: "stuck"}
	tests := []struct {
		name   string
		health []api.Part
		wrong  bool
		want   string
	}{
		{"well", []api.Part{{Name: "log", State: api.OK}}, false, "health: log ok \x1b[32m;"},
		{"a warning", []api.Part{{Name: "disk", State: api.Warning, Since: ago(time.Hour), Trouble: []api.Trouble{low}}}, false,
			"health: disk warning for 1h0m0s \x1b[33m;trouble: disk: nearly full \x1b[33m;see: df -h /var ;"},
		{"what is wrong comes first", []api.Part{
			{Name: "disk", State: api.Warning, Since: ago(time.Hour), Trouble: []api.Trouble{low}},
			{Name: "log", State: api.Wrong, Since: ago(-time.Hour), Trouble: []api.Trouble{stuck}},
		}, true, "health: disk warning for 1h0m0s, log wrong for 0s \x1b[31m;trouble: log: stuck \x1b[31m;trouble: disk: nearly full \x1b[33m;see: df -h /var ;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status := api.Status{Health: tt.health}
			if got := describe(describeHealth(status)); got != tt.want || status.Wrong() != tt.wrong {
				t.Errorf("%s, wrong: %v\nwant %s, %v", got, status.Wrong(), tt.want, tt.wrong)
			}
		})
	}
}

// describe writes fields with their colors.
func describe(list []field) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s: %s %s;", f.name, f.value.text, f.value.color)
	}
	return b.String()
}
