package identity

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/smallstep/pkcs7"
)

// lineLength is that of AWS's answers, and of PEM.
const lineLength = 64

func wrap(data []byte) string {
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(text) > lineLength {
		b.WriteString(text[:lineLength])
		b.WriteByte('\n')
		text = text[lineLength:]
	}
	b.WriteString(text)
	return b.String()
}

// ErrNotGenuine: the signature is not the authority's, or not of the document.
var ErrNotGenuine = errors.New("the document is not genuine")

// ErrNoCertificate: what should be a certificate is none.
var ErrNoCertificate = errors.New("no certificate in PEM")

// Verify checks a document with one of its signatures, in base64 as the
// guest was given it (a PEM frame does no harm), against the authority's
// certificate. It returns ErrNotGenuine, with the reason, or says what of its
// input cannot be read.
func Verify(certificatePEM, document, signature []byte) error {
	certificate, err := ParseCertificate(certificatePEM)
	if err != nil {
		return err
	}
	der, err := decodeSignature(signature)
	if err != nil {
		return err
	}
	if public, ok := certificate.PublicKey.(*rsa.PublicKey); ok && len(der) == public.Size() {
		if err := certificate.CheckSignature(x509.SHA256WithRSA, document, der); err != nil {
			return fmt.Errorf("%w: %w", ErrNotGenuine, err)
		}
		return nil
	}
	return verifyPKCS7(certificate, document, der)
}

// verifyPKCS7 accepts only the signature of the given certificate, and ignores
// certificates in the message.
func verifyPKCS7(certificate *x509.Certificate, document, der []byte) error {
	message, err := pkcs7.Parse(der)
	if err != nil {
		return fmt.Errorf("the signature is neither RSA's nor PKCS #7: %w", err)
	}
	if len(message.Content) > 0 && !bytes.Equal(message.Content, document) {
		return fmt.Errorf("%w: the signature belongs to another document", ErrNotGenuine)
	}
	message.Content, message.Certificates = document, []*x509.Certificate{certificate}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	if err := message.VerifyWithChain(roots); err != nil {
		return fmt.Errorf("%w: %w", ErrNotGenuine, err)
	}
	return nil
}

// ParseCertificate reads the PEM that Certificate gives.
func ParseCertificate(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != certificateBlock {
		return nil, ErrNoCertificate
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCertificate, err)
	}
	return certificate, nil
}

func decodeSignature(text []byte) ([]byte, error) {
	if block, _ := pem.Decode(text); block != nil {
		return block.Bytes, nil
	}
	der, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, fmt.Errorf("the signature is not base64: %w", err)
	}
	return der, nil
}
