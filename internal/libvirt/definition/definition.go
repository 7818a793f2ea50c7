// Package definition reads and changes the definition of a domain that libvirt
// stores: what the guest will be at its next start, not what it is now.
package definition

import (
	"context"
	"errors"
	"fmt"
	"time"

	libvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/libvirt/connection"
)

// callTime bounds what is asked of libvirt.
const callTime = 15 * time.Second

// stored asks for the definition at the next start, whole: without the flag
// for security, passwords of graphical consoles would be left out, and lost when
// the definition is stored again.
const stored = libvirt.DomainXMLInactive | libvirt.DomainXMLSecure

// ErrUnreachable is that of a libvirt that does not answer.
var ErrUnreachable = errors.New("libvirt cannot be reached")

// errTransient says why a domain has no definition.
var errTransient = errors.New("the domain is transient: libvirt stores no definition that could be changed")

// Domain is a domain and its stored definition.
type Domain struct {
	XML     string
	Running bool // what is changed counts from its next start on
	Saved   bool // a saved state waits, which starts as it was
}

// Read gives the definition of the domain that has a name or a UUID.
func Read(ctx context.Context, e connection.Endpoint, ref string) (Domain, error) {
	var d Domain
	err := ask(ctx, e, func(l *libvirt.Libvirt) error {
		found, err := find(l, ref)
		if err != nil {
			return err
		}
		d, err = read(l, found)
		return err
	})
	return d, err
}

// Store puts a definition in the place of the one that its domain has.
func Store(ctx context.Context, e connection.Endpoint, xml string) error {
	return ask(ctx, e, func(l *libvirt.Libvirt) error {
		_, err := l.DomainDefineXML(xml)
		return err
	})
}

func ask(ctx context.Context, e connection.Endpoint, calls func(*libvirt.Libvirt) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	conn, err := connection.Dial(ctx, e, connection.QEMU)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer conn.Close()
	return conn.Do(ctx, calls)
}

func find(l *libvirt.Libvirt, ref string) (libvirt.Domain, error) {
	found, err := l.DomainLookupByName(ref)
	if id, bad := uuid.Parse(ref); bad == nil && libvirt.IsNotFound(err) {
		found, err = l.DomainLookupByUUID(libvirt.UUID(id))
	}
	if libvirt.IsNotFound(err) {
		return found, fmt.Errorf("libvirt has no domain %q; `virsh list --all` lists all domains", ref)
	}
	return found, err
}

func read(l *libvirt.Libvirt, found libvirt.Domain) (Domain, error) {
	persistent, err := l.DomainIsPersistent(found)
	if err != nil {
		return Domain{}, err
	}
	if persistent == 0 {
		return Domain{}, errTransient
	}
	saved, err := l.DomainHasManagedSaveImage(found, 0)
	if err != nil {
		return Domain{}, err
	}
	xml, err := l.DomainGetXMLDesc(found, stored)
	return Domain{XML: xml, Running: found.ID >= 0, Saved: saved == 1}, err
}
