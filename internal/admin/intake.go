package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/semaphore"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt"
)

const (
	// intakeSize is how many bytes of definitions are read and decoded at a
	// time. Decoding one takes some ten times its size.
	intakeSize = 4 << 20
	// intakeWait is how long a definition may wait for its turn. Those that
	// wait hold nothing but their connection.
	intakeWait = 15 * time.Second
	// bodyTime is how long a definition may take to arrive once it is its turn.
	bodyTime = 2 * time.Second
)

// ErrBusy means that too many definitions arrive at once.
var ErrBusy = errors.New("too many definitions arrive at once")

// UploadLimiter bounds the memory that definitions take while they are read and
// decoded. Each way of uploading has its own, so that a flood on one does not
// delay another. Make one with NewIntake.
type UploadLimiter struct{ room *semaphore.Weighted }

// NewIntake makes an Intake that has room for several large definitions.
func NewIntake() *UploadLimiter { return &UploadLimiter{semaphore.NewWeighted(intakeSize)} }

// read reads the domain that a request carries, when there is room for it.
func (in *UploadLimiter) read(w http.ResponseWriter, r *http.Request) (instance.Domain, error) {
	size := r.ContentLength
	switch {
	case size > libvirt.MaxDomainXML:
		return instance.Domain{}, libvirt.ErrTooLarge
	case size < 0:
		size = libvirt.MaxDomainXML // what has no length may have any
	}
	waiting, cancel := context.WithTimeout(r.Context(), intakeWait)
	defer cancel()
	if err := in.room.Acquire(waiting, size); err != nil {
		return instance.Domain{}, fmt.Errorf("%w: it waited %v for its turn; send it again later", ErrBusy, intakeWait)
	}
	defer in.room.Release(size)
	data, err := readBody(w, r, size)
	if err != nil {
		return instance.Domain{}, err
	}
	domain, err := libvirt.ParseDomain(data)
	if err != nil && !errors.Is(err, libvirt.ErrTooLarge) {
		err = badDomain{err}
	}
	return domain, err
}

// readBody reads a body, probably of size bytes, which has to arrive in time.
func readBody(w http.ResponseWriter, r *http.Request, size int64) ([]byte, error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // a test's recorder has none
	data := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := data.ReadFrom(http.MaxBytesReader(w, r.Body, libvirt.MaxDomainXML))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, libvirt.ErrTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, badDomain{fmt.Errorf("the domain definition did not arrive within %v", bodyTime)}
	case err != nil:
		return nil, badDomain{err}
	}
	// Only now: of a body that has not come whole, the server reads on.
	_ = control.SetReadDeadline(time.Time{})
	return data.Bytes(), nil
}
