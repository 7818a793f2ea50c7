package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/cli/output"
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
		{"well", []api.Part{{Name: "log", State: api.OK}}, false, "health: \x1b[32mlog ok\x1b[0m;"},
		{"a warning", []api.Part{{Name: "disk", State: api.Warning, Since: ago(time.Hour), Trouble: []api.Trouble{low}}}, false,
			"health: \x1b[33mdisk warning for 1h0m0s\x1b[0m;trouble: \x1b[33mdisk: nearly full\x1b[0m;see: df -h /var;"},
		{"what is wrong comes first", []api.Part{
			{Name: "disk", State: api.Warning, Since: ago(time.Hour), Trouble: []api.Trouble{low}},
			{Name: "log", State: api.Wrong, Since: ago(-time.Hour), Trouble: []api.Trouble{stuck}},
		}, true, "health: \x1b[31mdisk warning for 1h0m0s, log wrong for 0s\x1b[0m;trouble: \x1b[31mlog: stuck\x1b[0m;trouble: \x1b[33mdisk: nearly full\x1b[0m;see: df -h /var;"},
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
func describe(list []output.Field) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s: %s;", f.Name, f.Value)
	}
	return b.String()
}
