package etcdtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// writeCertificates makes an authority, a certificate for all members and one for
// clients: ca.pem, server.pem, client.pem and their keys.
func (c *Cluster) writeCertificates(addresses []string) {
	c.t.Helper()
	c.NewAuthority()
	c.issue("server", &x509.Certificate{DNSNames: []string{"localhost"}, IPAddresses: parse(addresses),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	c.RenewClient(time.Now().Add(time.Hour))
}

// NewAuthority replaces the files of the authority. Certificates of the former
// one are not changed.
func (c *Cluster) NewAuthority() {
	c.t.Helper()
	key := c.newKey("ca")
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "etcdtest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	c.sign("ca", ca, ca, key, key)
}

// RenewClient gives clients a new certificate and key of the authority that is
// there now. It is valid until end.
func (c *Cluster) RenewClient(end time.Time) {
	c.t.Helper()
	c.issue("client", &x509.Certificate{Subject: pkix.Name{CommonName: User}, NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

func (c *Cluster) issue(name string, cert *x509.Certificate) {
	c.t.Helper()
	authority, err := tls.LoadX509KeyPair(c.file("ca.pem"), c.file("ca-key.pem"))
	if err != nil {
		c.t.Fatal(err)
	}
	cert.SerialNumber = big.NewInt(time.Now().UnixNano())
	cert.NotBefore = time.Now().Add(-time.Hour)
	if cert.NotAfter.IsZero() {
		cert.NotAfter = time.Now().Add(24 * time.Hour)
	}
	cert.KeyUsage = x509.KeyUsageDigitalSignature
	c.sign(name, cert, authority.Leaf, c.newKey(name), authority.PrivateKey.(*ecdsa.PrivateKey))
}

func (c *Cluster) newKey(name string) *ecdsa.PrivateKey {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(name+"-key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return key
}

func (c *Cluster) sign(name string, cert, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) {
	c.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func parse(addresses []string) []net.IP {
	var list []net.IP
	for _, a := range addresses {
		list = append(list, net.ParseIP(a))
	}
	return list
}

// tlsArgs have a member ask for certificates, of clients and of other members.
func (c *Cluster) tlsArgs() []string {
	cert, key, ca := c.file("server.pem"), c.file("server-key.pem"), c.file("ca.pem")
	return []string{
		"--cert-file", cert, "--key-file", key, "--trusted-ca-file", ca, "--client-cert-auth",
		"--peer-cert-file", cert, "--peer-key-file", key, "--peer-trusted-ca-file", ca, "--peer-client-cert-auth",
	}
}

func (c *Cluster) clientTLS() *tls.Config {
	c.t.Helper()
	pair, err := tls.LoadX509KeyPair(c.file("client.pem"), c.file("client-key.pem"))
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := os.ReadFile(c.file("ca.pem"))
	if err != nil {
		c.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
}
