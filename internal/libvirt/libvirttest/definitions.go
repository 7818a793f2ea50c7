package libvirttest

import (
	"encoding/binary"
	"encoding/xml"
	"slices"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"
)

// definition returns what libvirt says of a domain when it is asked with flags.
func (d Domain) definition(flags golibvirt.DomainXMLFlags) string {
	const whole = golibvirt.DomainXMLInactive | golibvirt.DomainXMLSecure
	if d.Stored != "" && flags&whole == whole {
		return d.Stored
	}
	return d.XML
}

// definitionReply answers a call about the definitions that are stored.
func (s *Server) definitionReply(call Procedure, arguments []byte, body *payload) (golibvirt.ErrorNumber, error) {
	if call == DomainDefine {
		return s.define(textIn(arguments), body), nil
	}
	match := func(d Domain) bool { return d.Name == textIn(arguments) }
	switch call {
	case DomainPersistent:
		match = func(d Domain) bool { return d.UUID == uuid.UUID(arguments[len(arguments)-20:][:16]) } // before the id
	case DomainHasSaved:
		match = func(d Domain) bool { return d.UUID == uuid.UUID(arguments[len(arguments)-24:][:16]) } // and the flags
	}
	i := slices.IndexFunc(s.domains, match)
	if i < 0 {
		return golibvirt.ErrNoDomain, nil
	}
	switch d := s.domains[i]; call {
	case DomainPersistent:
		body.truth(!d.Transient)
	case DomainHasSaved:
		body.truth(d.Saved)
	default:
		body.domain(d)
	}
	return 0, nil
}

// define stores a definition in the place of the one that its domain has.
func (s *Server) define(definition string, body *payload) golibvirt.ErrorNumber {
	var domain struct {
		UUID string `xml:"uuid"`
	}
	if err := xml.Unmarshal([]byte(definition), &domain); err != nil {
		return golibvirt.ErrXMLError
	}
	id, _ := uuid.Parse(domain.UUID)
	i := slices.IndexFunc(s.domains, func(d Domain) bool { return d.UUID == id })
	if i < 0 {
		return golibvirt.ErrNoDomain // a new one, which no test defines
	}
	s.domains[i].Stored = definition
	body.domain(s.domains[i])
	return 0
}

// textIn is the text that arguments begin with.
func textIn(arguments []byte) string {
	return string(arguments[4 : 4+binary.BigEndian.Uint32(arguments)])
}

func (p *payload) truth(value bool) {
	if value {
		p.number(1)
	} else {
		p.number(0)
	}
}
