package explain

import (
	"strings"
	"time"

	"mdserver/internal/api"
)

// Refused explains a domain that is no guest. started is when the server did.
func Refused(r api.Refusal, started time.Time) api.Explanation {
	var macs []string
	for _, mac := range r.MACs {
		macs = append(macs, mac.String())
	}
	missing := []api.Missing{lacks("not_a_guest", "it is not a guest: %s", r.Reason)}
	return api.Explanation{
		Name: r.Name,
		Facts: []api.Fact{
			fact("name", r.Name, domainXML),
			fact("UUID", r.UUID.String(), domainXML),
			fact("MAC", strings.Join(macs, ", "), domainXML),
			fact("last told", r.Last.Format(time.RFC3339), sources[r.Source]),
		},
		Refusal:   &r,
		Addresses: []api.ExplainedAddress{},
		Requests:  api.Requests{Kinds: []api.RequestKind{}, Recent: []api.Request{}},
		Since:     started,
		Missing:   texts(missing),
		Problems:  missing,
	}
}
