package explain

import (
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/inventory/storage"
)

// Withheld explains a guest whose record was set aside. started is when the server
// did.
func Withheld(w storage.Withheld, started time.Time) api.Explanation {
	const source = "the record that was set aside"
	missing := []api.Missing{
		lacks("record_set_aside", "its record was damaged, lost or in conflict with another one, and was set aside in %s", w.File),
		lacks("record_set_aside", "register it again to serve it, with its previous address and instance-id if they are known: virsh dumpxml NAME | mdserver instance add -"),
		lacks("record_set_aside", "its addresses and host name are reserved until you remove that file and run `mdserver reload`"),
	}
	doc := api.Explanation{
		Name: w.Name, Facts: []api.Fact{}, Addresses: []api.ExplainedAddress{}, Since: started,
		Requests: api.Requests{Kinds: []api.RequestKind{}, Recent: []api.Request{}},
		Missing:  texts(missing),
		Problems: missing,
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
