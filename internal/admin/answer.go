package admin

import (
	"encoding/json"
	"errors"
	"net/http"

	"mdserver/internal/api"
	"mdserver/internal/inventory"
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
	{inventory.ErrNotFound, kind{http.StatusNotFound, api.CodeNotFound}},
	{inventory.ErrInvalid, kind{http.StatusBadRequest, api.CodeInvalid}},
	{inventory.ErrNoInterface, kind{http.StatusUnprocessableEntity, api.CodeNoInterface}},
	{inventory.ErrAddressOutside, kind{http.StatusUnprocessableEntity, api.CodeAddressOutside}},
	{inventory.ErrAmbiguous, kind{http.StatusConflict, api.CodeAmbiguous}},
	{inventory.ErrNameTaken, kind{http.StatusConflict, api.CodeNameTaken}},
	{inventory.ErrUUIDTaken, kind{http.StatusConflict, api.CodeUUIDTaken}},
	{inventory.ErrMACInUse, kind{http.StatusConflict, api.CodeMACInUse}},
	{inventory.ErrHostnameTaken, kind{http.StatusConflict, api.CodeHostnameTaken}},
	{inventory.ErrAddressTaken, kind{http.StatusConflict, api.CodeAddressTaken}},
	{inventory.ErrTooManyGuests, kind{http.StatusInsufficientStorage, api.CodeTooManyGuests}},
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
