package explain

import (
	"strings"
	"time"

	"mdserver/internal/refusal"
	"mdserver/internal/trail"
)

// Refused explains a domain that is no guest. started is when the server did.
func Refused(r refusal.Refusal, started time.Time) Document {
	var macs []string
	for _, mac := range r.MACs {
		macs = append(macs, mac.String())
	}
	return Document{
		Name: r.Name,
		Facts: []Fact{
			{"name", r.Name, domainXML},
			{"UUID", r.UUID.String(), domainXML},
			{"MAC", strings.Join(macs, ", "), domainXML},
			{"last told", r.Last.Format(time.RFC3339), sources[r.Source]},
		},
		Refusal:   &r,
		Addresses: []Address{},
		Requests:  trail.Trail{Kinds: []trail.Kind{}, Recent: []trail.Request{}},
		Since:     started,
		Missing:   []string{"it is no guest: " + r.Reason},
	}
}
