package admin

import (
	"context"
	"errors"
	"io"
	"net/http"

	"mdserver/internal/inventory"
	"mdserver/internal/inventory/document"
)

// maxImport bounds a document that is imported, in bytes: far more than a host's
// guests need.
const maxImport = 256 << 20

// Imported is what became of the records of a document.
type Imported struct {
	Added     []string  `json:"added"`    // names of guests
	Replaced  []string  `json:"replaced"` // the guest had another record
	Unchanged int       `json:"unchanged"`
	Resting   int       `json:"resting"` // addresses that rest now and did not before
	Skipped   []Skipped `json:"skipped"`
	Warning   string    `json:"warning,omitempty"`
}

// Skipped is a guest that was not imported.
type Skipped struct {
	Name   string `json:"name"`
	UUID   string `json:"uuid"`
	Reason string `json:"reason"`
}

func (b Backend) importDocument(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxImport))
	if err != nil {
		refuseWith(w, http.StatusBadRequest, err)
		return
	}
	_, table, err := document.Read(data)
	if err != nil {
		refuseWith(w, http.StatusBadRequest, err)
		return
	}
	adopted, err := b.Import(r.Context(), table, r.URL.Query().Get("replace") == "true")
	if err != nil {
		refuse(w, err)
		return
	}
	result := imported(adopted)
	if err := b.Publish(r.Context()); err != nil {
		result.Warning = err.Error()
	}
	answer(w, result)
}

func imported(a inventory.Adopted) Imported {
	result := Imported{Added: []string{}, Replaced: []string{}, Unchanged: a.Unchanged, Resting: a.Resting, Skipped: []Skipped{}}
	for _, guest := range a.Added {
		result.Added = append(result.Added, guest.Name)
	}
	for _, guest := range a.Replaced {
		result.Replaced = append(result.Replaced, guest.Name)
	}
	for _, skip := range a.Skipped {
		reason := skip.Err.Error()
		if errors.Is(skip.Err, inventory.ErrUUIDTaken) {
			reason = "the guest is known, and its record differs; --replace puts the imported one in its place"
		}
		result.Skipped = append(result.Skipped, Skipped{skip.Instance.Name, skip.Instance.UUID.String(), reason})
	}
	return result
}

// Import adds the records of a document, see package document. With replace a
// record takes the place of a known guest's own.
func (c *Client) Import(ctx context.Context, text []byte, replace bool) (Imported, error) {
	path := "/v1/import"
	if replace {
		path += "?replace=true"
	}
	var result Imported
	return result, c.call(ctx, http.MethodPost, path, text, &result)
}
