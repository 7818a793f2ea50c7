// Package denied names what can be wrong with a request to the inventory.
package denied

import (
	"errors"
	"fmt"
	"strconv"

	"mdserver/internal/instance"
)

// What can be wrong with a request, for errors.Is. The class in brackets is
// the HTTP status that an interface should answer.
var (
	// ErrNotFound: no guest goes by that reference [404].
	ErrNotFound = errors.New("no such guest")
	// ErrAmbiguous: the reference means more than one guest [409].
	ErrAmbiguous = errors.New("ambiguous reference")
	// ErrInvalid: the domain itself is unusable: its name, UUID or metadata [400].
	ErrInvalid = errors.New("invalid domain")
	// ErrNoInterface: the domain has no interface on the metadata network [422].
	ErrNoInterface = errors.New("no interface on the metadata network")
	// ErrAddressOutside: the metadata asks for an address that this network
	// does not give to guests [422].
	ErrAddressOutside = errors.New("address outside the network")
	// ErrNameTaken: another guest has the name; of imports, and of uploads that
	// root has not sent [409].
	ErrNameTaken = errors.New("name in use")
	// ErrUUIDTaken: the inventory has the guest already; of imports, and of
	// uploads that root has not sent [409].
	ErrUUIDTaken = errors.New("UUID in use")
	// ErrMACInUse: another guest has the MAC address [409].
	ErrMACInUse = errors.New("MAC address in use")
	// ErrIDTaken: another guest has the instance-id; of imports only [409].
	ErrIDTaken = errors.New("instance-id in use")
	// ErrHostnameTaken: the metadata asks for another guest's host name [409].
	ErrHostnameTaken = errors.New("host name in use")
	// ErrAddressTaken: the metadata asks for another guest's address [409].
	ErrAddressTaken = errors.New("address in use")
	// ErrNetworkFull: there is no address left. It is only ever found in
	// the AddressProblem of a
	// registration, the guest is registered [200, with a warning].
	ErrNetworkFull = errors.New("network full")
	// ErrTooManyGuests: there are as many guests as there may be [507].
	ErrTooManyGuests = errors.New("too many guests")
	// ErrPasswordSet: the guest has posted a password before [409].
	ErrPasswordSet = errors.New("the password is already set")
)

// ConflictError is a request that another guest stands in the way of. Nothing
// was changed. HTTP: 409.
type ConflictError struct {
	Kind   error  // ErrMACInUse, ErrHostnameTaken, ErrAddressTaken, …
	Value  string // what both want
	Guest  string // name of the guest that was to be registered
	Holder string // name of the guest that has it
	Hint   string // what to do about it, or empty
}

func (e *ConflictError) Error() string {
	text := fmt.Sprintf("guest %q: %s: %q belongs to guest %q", e.Guest, e.Kind.Error(), e.Value, e.Holder)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *ConflictError) Unwrap() error { return e.Kind }

// Conflict is the error that a guest cannot have what its holder has.
func Conflict(kind error, value string, guest, holder *instance.Instance) error {
	return &ConflictError{Kind: kind, Value: value, Guest: guest.Name, Holder: holder.Name}
}

// OrRemove is advice for a conflict, and that the holder can be removed.
func OrRemove(advice string, holder *instance.Instance) string {
	return fmt.Sprintf("%s, or, if %q no longer exists, remove it: mdserver instance rm %s", advice, holder.Name, shellRef(holder))
}

// shellRef is a reference to a guest that a shell takes as it is.
func shellRef(guest *instance.Instance) string {
	if instance.ValidHostname(guest.Name) {
		return guest.Name
	}
	return guest.ID
}

// RequestError is a request that is wrong in itself, independent of other guests.
// Nothing was changed. HTTP: 400 for ErrInvalid, 422 for the rest.
type RequestError struct {
	Kind   error // ErrInvalid, ErrNoInterface, ErrAddressOutside, …
	Guest  string
	Reason string
}

func (e *RequestError) Error() string {
	return fmt.Sprintf("guest %s: %s: %s", quoted(e.Guest), e.Kind.Error(), e.Reason)
}

// quoted is the name of a domain, which may be refused for its length.
func quoted(name string) string {
	if len(name) > 4*instance.MaxName {
		return strconv.Quote(name[:instance.MaxName]) + "…"
	}
	return strconv.Quote(name)
}

func (e *RequestError) Unwrap() error { return e.Kind }
