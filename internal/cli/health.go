package cli

import (
	"fmt"
	"strings"
	"time"

	"mdserver/internal/api"
)

// describeHealth is the state of all parts of the server, then each trouble, and
// below it the commands that repair it or show more.
func describeHealth(s api.Status) [][2]string {
	var states []string
	for _, part := range s.Health {
		states = append(states, describePart(part))
	}
	pairs := [][2]string{{"health", strings.Join(states, ", ")}}
	trouble := s.Trouble()
	if len(trouble) == 0 {
		pairs = append(pairs, [2]string{"trouble", ""})
	}
	for _, t := range trouble {
		pairs = append(pairs, [2]string{"trouble", oneLine(t.String())})
		for _, command := range t.Look {
			pairs = append(pairs, [2]string{"see", oneLine(command)})
		}
	}
	return pairs
}

func describePart(p api.Part) string {
	if p.State == api.OK {
		return p.Name + " ok"
	}
	return fmt.Sprintf("%s %s for %s", p.Name, p.State, max(0, time.Since(p.Since)).Round(time.Second))
}
