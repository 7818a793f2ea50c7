package admin

import (
	"bytes"
	"net/http"

	"mdserver/internal/api"
)

func (b Backend) backup(w http.ResponseWriter, r *http.Request) {
	var text bytes.Buffer // all of it or an error
	if err := b.Backup(r.Context(), &text); err != nil {
		refuseWith(w, http.StatusInternalServerError, api.CodeInternal, err)
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	_, _ = w.Write(text.Bytes()) // a client that hangs up is not the server's fault
}
