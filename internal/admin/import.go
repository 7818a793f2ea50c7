package admin

import (
	"errors"
	"io"
	"net/http"

	"mdserver/internal/api"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/document"
)

// maxImport bounds a document that is imported, in bytes: far more than a host's
// guests need.
const maxImport = 256 << 20

func (b Backend) importDocument(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxImport))
	if err != nil {
		refuseWith(w, http.StatusBadRequest, api.CodeInvalid, err)
		return
	}
	_, table, err := document.Read(data)
	if err != nil {
		refuseWith(w, http.StatusBadRequest, api.CodeInvalid, err)
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

func imported(a inventory.Adopted) api.Imported {
	result := api.Imported{Added: []string{}, Replaced: []string{}, Unchanged: a.Unchanged, Resting: a.Resting, Skipped: []api.Skipped{}}
	for _, guest := range a.Added {
		result.Added = append(result.Added, guest.Name)
	}
	for _, guest := range a.Replaced {
		result.Replaced = append(result.Replaced, guest.Name)
	}
	for _, skip := range a.Skipped {
		reason := skip.Err.Error()
		if errors.Is(skip.Err, denied.ErrUUIDTaken) {
			reason = "the guest exists, and its record differs; use --replace to replace it"
		}
		result.Skipped = append(result.Skipped, api.Skipped{Name: skip.Instance.Name, UUID: skip.Instance.UUID.String(), Reason: reason})
	}
	return result
}
