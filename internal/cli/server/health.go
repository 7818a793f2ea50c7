package server

import (
	"fmt"
	"strings"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
)

// describeHealth is the state of all parts of the server, then each trouble, and
// below it the commands that repair it or show more.
func describeHealth(s api.Status) []output.Field {
	var states []string
	worst := api.OK
	for _, part := range s.Health {
		states = append(states, describePart(part))
		if worst == api.OK || part.State == api.Wrong {
			worst = part.State
		}
	}
	list := []output.Field{{Name: "health", Value: output.Paint(strings.Join(states, ", "), string(worst))}}
	for _, t := range s.Trouble() {
		list = append(list, output.Field{Name: "trouble", Value: output.Paint(output.OneLine(t.String()), string(t.State))})
		for _, command := range t.Look {
			list = append(list, output.Field{Name: "see", Value: output.Paint(output.OneLine(command), "")})
		}
	}
	return list
}

// healthSheet lists each part of the server, or each trouble of a part that has some.
func healthSheet(s api.Status) view.Sheet {
	list := view.Sheet{Columns: []string{"PART", "STATE", "SINCE", "MESSAGE"}, Wide: []string{"SEE"}}
	for _, part := range s.Health {
		for _, t := range part.Trouble {
			list.Rows = append(list.Rows, []string{t.Part, string(t.State), t.Since.Format(time.RFC3339), output.OneLine(t.Message), strings.Join(t.Look, "; ")})
		}
		if len(part.Trouble) == 0 {
			list.Rows = append(list.Rows, []string{part.Name, string(part.State), part.Since.Format(time.RFC3339), "", ""})
		}
	}
	return list
}

func describePart(p api.Part) string {
	if p.State == api.OK {
		return p.Name + " ok"
	}
	return fmt.Sprintf("%s %s for %s", p.Name, p.State, max(0, time.Since(p.Since)).Round(time.Second))
}
