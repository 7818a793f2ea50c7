package admin

import (
	"encoding/json"
	"errors"
	"net/http"

	"mdserver/internal/api"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/libvirt"
)

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // a client that hangs up is not the server's fault
}

func refuse(w http.ResponseWriter, err error) {
	k := kindOf(err)
	refuseWith(w, k.status, k.code, err)
}

func refuseWith(w http.ResponseWriter, status int, code api.ErrorCode, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.Error{Error: err.Error(), Code: code})
}

// kind is a kind of error in HTTP and for programs.
type kind struct {
	status int
	code   api.ErrorCode
}

// kinds are what can be wrong with a request.
var kinds = []struct {
	err error
	kind
}{
	{libvirt.ErrTooLarge, kind{http.StatusRequestEntityTooLarge, api.CodeTooLarge}},
	{denied.ErrNotFound, kind{http.StatusNotFound, api.CodeNotFound}},
	{denied.ErrInvalid, kind{http.StatusBadRequest, api.CodeInvalid}},
	{denied.ErrNoInterface, kind{http.StatusUnprocessableEntity, api.CodeNoInterface}},
	{denied.ErrAddressOutside, kind{http.StatusUnprocessableEntity, api.CodeAddressOutside}},
	{denied.ErrAmbiguous, kind{http.StatusConflict, api.CodeAmbiguous}},
	{denied.ErrNameTaken, kind{http.StatusConflict, api.CodeNameTaken}},
	{denied.ErrUUIDTaken, kind{http.StatusConflict, api.CodeUUIDTaken}},
	{denied.ErrMACInUse, kind{http.StatusConflict, api.CodeMACInUse}},
	{denied.ErrHostnameTaken, kind{http.StatusConflict, api.CodeHostnameTaken}},
	{denied.ErrAddressTaken, kind{http.StatusConflict, api.CodeAddressTaken}},
	{denied.ErrTooManyGuests, kind{http.StatusInsufficientStorage, api.CodeTooManyGuests}},
	{inventory.ErrStore, kind{http.StatusServiceUnavailable, api.CodeDatabase}},
	{inventory.ErrClosed, kind{http.StatusServiceUnavailable, api.CodeStopping}},
	{ErrHost, kind{http.StatusConflict, api.CodeHostInUse}},
	{ErrBusy, kind{http.StatusServiceUnavailable, api.CodeBusy}},
}

func kindOf(err error) kind {
	if bad := (badDomain{}); errors.As(err, &bad) {
		return kind{http.StatusBadRequest, api.CodeInvalid}
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return kind{http.StatusInternalServerError, api.CodeInternal}
}

func statusOf(err error) int { return kindOf(err).status }
