package openstack

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"mdserver/internal/httpcommon"
	"mdserver/internal/inventory/denied"
)

// maxPassword is Nova's limit, four of its metadata values, in bytes.
const maxPassword = 4 * 255

// servePassword lets a guest post its password once, usually encrypted with
// its first public key. The guest itself can read it back; of the others only
// the administrator can.
func (f *Frontend) servePassword(q request) {
	if q.r.Method != http.MethodPost {
		httpcommon.Text(q.w, q.guest.Password)
		return
	}
	password, problem := readPassword(q)
	if problem != "" {
		httpcommon.Refuse(q.w, http.StatusBadRequest, problem)
		return
	}
	err := f.passwords.SetPassword(q.r.Context(), q.guest.UUID, password)
	switch {
	case errors.Is(err, denied.ErrPasswordSet):
		httpcommon.Refuse(q.w, http.StatusConflict, "Password already set")
	case err != nil:
		httpcommon.Refuse(q.w, http.StatusServiceUnavailable, "Password not kept")
	default:
		httpcommon.Text(q.w, "")
	}
}

// readPassword tells what is wrong with a password in place of it. It is
// shown on the administrator's terminal, so it must be text.
func readPassword(q request) (password, problem string) {
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, maxPassword))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "", "Request is too large"
	case err != nil:
		return "", "Request is incomplete"
	}
	password = strings.TrimRight(string(body), "\r\n")
	notText := func(r rune) bool { return unicode.IsControl(r) && r != '\n' }
	if password == "" || !utf8.ValidString(password) || strings.ContainsFunc(password, notText) {
		return "", "Password must be text"
	}
	return password, ""
}
