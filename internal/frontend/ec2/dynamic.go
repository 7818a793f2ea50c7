package ec2

import (
	"net/http"
	"strings"

	"mdserver/internal/httpcommon"
	"mdserver/internal/identity"
)

// identityDir is what a verifier asks a guest for. cloud-init, where it takes
// us for AWS, asks for it without a slash.
const identityDir = "instance-identity"

// dynamic is the table of /{version}/dynamic/. AWS signs pkcs7 by a DSA key
// with SHA-1; here it is the same as rsa2048.
var dynamic = []entry{
	{name: identityDir, entries: []entry{
		{name: "document", value: func(s *subject) string { return s.identity }},
		{name: "pkcs7", value: func(s *subject) string { return s.signed.PKCS7 }},
		{name: "rsa2048", value: func(s *subject) string { return s.signed.PKCS7 }},
		{name: "signature", value: func(s *subject) string { return s.signed.Signature }},
	}},
}

func (f *Frontend) serveDynamic(w http.ResponseWriter, r *http.Request, path string) {
	c, ok := guest(w, r)
	if !ok {
		return
	}
	s := f.subject(c.Guest)
	defer f.subjects.Put(s)
	if err := f.identify(s, path); err != nil {
		httpcommon.Refuse(w, http.StatusInternalServerError, "Identity document failure for "+c.Guest.Hostname)
		return
	}
	text, ok := resolve(s, dynamic, path)
	if !ok {
		httpcommon.NoSuchPath(w, r)
		return
	}
	httpcommon.Text(w, text)
}

// identify makes the document and, where the path asks for more, signs it.
func (f *Frontend) identify(s *subject, path string) error {
	document, err := identity.Document(&s.Document)
	if err != nil {
		return err
	}
	s.identity = string(document)
	if !strings.HasPrefix(path, identityDir) || strings.HasSuffix(path, "/document") {
		return nil
	}
	s.signed, err = f.identity.Sign(s.UUID, document)
	return err
}
