package explain

import (
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/inventory"
)

// Withheld explains a guest whose record was set aside. started is when the server
// did.
func Withheld(w inventory.Withheld, started time.Time) api.Explanation {
	const source = "the record that was set aside"
	doc := api.Explanation{
		Name: w.Name, Facts: []api.Fact{}, Addresses: []api.ExplainedAddress{}, Since: started,
		Requests: api.Requests{Kinds: []api.RequestKind{}, Recent: []api.Request{}},
		Missing: []string{
			"its record was damaged, lost or contradicted another one, and is set aside in " + w.File,
			"register it again to have it served, with its former address and instance-id as far as they are known: virsh dumpxml NAME | mdserver instance add -",
			"its addresses and host name are given to no other guest until that file is removed and `mdserver reload` was run",
		},
	}
	for _, f := range [][2]string{
		{"name", w.Name}, {"UUID", uuidText(w.UUID)}, {"instance-id", w.ID}, {"host name", w.Hostname}, {"addresses", addressList(w.Addrs)},
	} {
		if f[1] != "" {
			doc.Facts = append(doc.Facts, api.Fact{Name: f[0], Value: f[1], Source: source})
		}
	}
	return doc
}

func uuidText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

func addressList(addrs []netip.Addr) string {
	texts := make([]string, 0, len(addrs))
	for _, addr := range addrs {
		texts = append(texts, addr.String())
	}
	return strings.Join(texts, ", ")
}
