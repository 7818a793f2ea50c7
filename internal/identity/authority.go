// Package identity lets a guest prove to others which guest it is: it makes
// the instance identity document that AWS describes, and signs it by an
// authority of this server's own, whose certificate verifiers are given.
//
// Source: "Instance identity documents", Amazon EC2 User Guide.
package identity

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/smallstep/pkcs7"
)

const (
	keyBits  = 2048 // as the name of the answer rsa2048 promises
	lifetime = 30 * 365 * 24 * time.Hour
	// skew is how far the clock of a verifier may be behind ours.
	skew     = 24 * time.Hour
	fileMode = 0o600

	keyBlock         = "PRIVATE KEY"
	certificateBlock = "CERTIFICATE"
)

// ErrDamaged: the file holds no key with its certificate.
var ErrDamaged = errors.New("it does not contain an RSA key and its certificate; restore it from a backup, or move it away to create a new authority, and give its certificate to all verifiers")

// Authority signs identity documents. It may be used by many at once.
type Authority struct {
	key         *rsa.PrivateKey
	certificate *x509.Certificate

	mu     sync.Mutex
	signed map[uuid.UUID]cached
}

type cached struct {
	document []byte
	Signed
}

// mostCached bounds the memory that signatures take, about 5 KB each.
const mostCached = 4096

// Open reads the authority's key and certificate from a file, or creates them if
// there is no file; created reports which. An existing file is never overwritten.
// host is the name of this host for the certificate.
func Open(path, host string) (a *Authority, created bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		created = true
		if err = create(path, host); err == nil {
			data, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("identity authority: %w", err)
	}
	if a, err = parse(data); err != nil {
		return nil, false, fmt.Errorf("identity authority %s: %w", path, err)
	}
	return a, created, nil
}

// Check checks the content of an authority's file. Error: ErrDamaged.
func Check(data []byte) error {
	_, err := parse(data)
	return err
}

func parse(data []byte) (*Authority, error) {
	keyPEM, rest := pem.Decode(data)
	certPEM, _ := pem.Decode(rest)
	if keyPEM == nil || certPEM == nil || keyPEM.Type != keyBlock || certPEM.Type != certificateBlock {
		return nil, ErrDamaged
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyPEM.Bytes)
	if err != nil {
		return nil, ErrDamaged // the reason might quote the key
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, ErrDamaged
	}
	certificate, err := x509.ParseCertificate(certPEM.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	if public, ok := certificate.PublicKey.(*rsa.PublicKey); !ok || !public.Equal(&key.PublicKey) {
		return nil, fmt.Errorf("%w (the certificate belongs to another key)", ErrDamaged)
	}
	return &Authority{key: key, certificate: certificate, signed: map[uuid.UUID]cached{}}, nil
}

// create makes a key with its certificate and puts them in place as a whole.
// Should another process be faster, its file stays.
func create(path, host string) error {
	data, err := generate(host)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".identity-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(fileMode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func generate(host string) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: commonName(host), Organization: []string{"mdserver"}},
		NotBefore:    now.Add(-skew), NotAfter: now.Add(lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		// openssl smime and cms want it of those who sign.
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: certificate})...), nil
}

// commonName keeps to the 64 characters that X.520 allows.
func commonName(host string) string {
	name := "mdserver identity " + host
	return name[:min(len(name), 64)]
}

// Certificate is the authority's certificate in PEM: what verifiers need.
func (a *Authority) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: a.certificate.Raw})
}

// Signed is a document's signatures, each as AWS gives it: base64 in lines of
// 64 characters, without a line break at the end.
type Signed struct {
	Signature string // RSA with SHA-256 over the document (PKCS #1, 1.5)
	PKCS7     string // a SignedData with the document and the certificate in it
}

// Sign signs the present document of a guest. Signatures are kept until the
// document changes: a guest that asks again costs nothing.
func (a *Authority) Sign(guest uuid.UUID, document []byte) (Signed, error) {
	a.mu.Lock()
	known, ok := a.signed[guest]
	a.mu.Unlock()
	if ok && bytes.Equal(known.document, document) {
		return known.Signed, nil
	}
	signed, err := a.sign(document)
	if err != nil {
		return Signed{}, fmt.Errorf("sign the identity document: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.signed) >= mostCached {
		clear(a.signed)
	}
	a.signed[guest] = cached{document, signed}
	return signed, nil
}

func (a *Authority) sign(document []byte) (Signed, error) {
	digest := sha256.Sum256(document)
	raw, err := rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, digest[:])
	if err != nil {
		return Signed{}, err
	}
	data, err := pkcs7.NewSignedData(document)
	if err != nil {
		return Signed{}, err
	}
	data.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := data.AddSigner(a.certificate, a.key, pkcs7.SignerInfoConfig{}); err != nil {
		return Signed{}, err
	}
	der, err := data.Finish()
	if err != nil {
		return Signed{}, err
	}
	return Signed{Signature: wrap(raw), PKCS7: wrap(der)}, nil
}
