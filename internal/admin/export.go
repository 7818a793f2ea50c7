package admin

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"mdserver/internal/api"
)

func (b Backend) export(w http.ResponseWriter, r *http.Request) {
	format := r.URL.Query().Get("format")
	if !slices.Contains(api.ExportFormats, format) {
		refuseWith(w, http.StatusBadRequest, api.CodeInvalid, fmt.Errorf("unknown export format %q, accepted: %s", format, strings.Join(api.ExportFormats, ", ")))
		return
	}
	var text bytes.Buffer // all of it or an error
	if err := b.Export(r.Context(), &text, format); err != nil {
		refuseWith(w, http.StatusInternalServerError, api.CodeInternal, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text.Bytes()) // a client that hangs up is not the server's fault
}
