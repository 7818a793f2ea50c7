package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc/credentials"

	"mdserver/internal/config"
)

// CheckFiles reads the files that cfg names. The error names the key and the file
// of each one that cannot be used.
func CheckFiles(cfg config.Store) error {
	var errs []error
	if cfg.TLS() {
		_, err := tlsConfig(cfg)
		errs = append(errs, err)
	}
	if cfg.User != "" {
		_, err := password(cfg)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// tlsConfig reads the files of TLS.
func tlsConfig(cfg config.Store) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CAFile != "" {
		text, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("store.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("store.ca_file: %s has no certificate, accepted: certificates in PEM", cfg.CAFile)
		}
	}
	if cfg.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("store.cert_file %s and store.key_file %s: %w", cfg.CertFile, cfg.KeyFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// password reads the password of the user.
func password(cfg config.Store) (string, error) {
	text, err := os.ReadFile(cfg.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("store.password_file: %w", err)
	}
	line := strings.TrimRight(string(text), "\r\n")
	if line == "" || strings.ContainsAny(line, "\r\n\x00") {
		return "", fmt.Errorf("store.password_file: %s is not a password, accepted: one line of text", cfg.PasswordFile)
	}
	return line, nil
}

// transport is TLS with the files as they are at each handshake.
type transport struct {
	credentials.TransportCredentials // what does not depend on files
	cfg                              config.Store
}

func newTransport(cfg config.Store) transport {
	return transport{credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12}), cfg}
}

// ClientHandshake implements credentials.TransportCredentials.
func (t transport) ClientHandshake(ctx context.Context, authority string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	files, err := tlsConfig(t.cfg)
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(files).ClientHandshake(ctx, authority, c)
}

// Clone implements credentials.TransportCredentials.
func (t transport) Clone() credentials.TransportCredentials {
	return transport{t.TransportCredentials.Clone(), t.cfg}
}
