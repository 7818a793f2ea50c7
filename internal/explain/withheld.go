package explain

import (
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/inventory"
	"mdserver/internal/trail"
)

// Withheld explains a guest whose record was set aside. started is when the server
// did.
func Withheld(w inventory.Withheld, started time.Time) Document {
	const source = "the record that was set aside"
	doc := Document{
		Name: w.Name, Facts: []Fact{}, Addresses: []Address{}, Since: started,
		Requests: trail.Trail{Kinds: []trail.Kind{}, Recent: []trail.Request{}},
		Missing: []string{
			"its record was damaged, lost or contradicted another one, and is set aside in " + w.File,
			"register it again to have it served, with its former address and instance-id as far as they are known: virsh dumpxml NAME | mdserver instance add -",
			"its addresses and host name are given to no other guest until that file is removed and `mdserver reload` was run",
		},
	}
	for _, f := range []Fact{
		{"name", w.Name, source}, {"UUID", uuidText(w.UUID), source}, {"instance-id", w.ID, source},
		{"host name", w.Hostname, source}, {"addresses", addressList(w.Addrs), source},
	} {
		if f.Value != "" {
			doc.Facts = append(doc.Facts, f)
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
