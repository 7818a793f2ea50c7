//go:build host

package host

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
)

// webAddress is where a host finds the servers of the Internet that the
// documentation's blocks ask: on its own loopback interface.
const webAddress = "127.0.0.9"

var webNames = []string{"cloud.debian.org", "go.dev", "proxy.golang.org"}

// web answers for webNames out of this machine's caches.
type web struct {
	certificate []byte // PEM, of an authority that signed itself
	goCache     string // a directory that keeps alice's builds from test to test

	handler http.Handler
	config  *tls.Config
	server  *http.Server
	done    chan struct{} // closed when server has ended
}

func newWeb(t *testing.T) *web {
	t.Helper()
	w := &web{}
	pair, err := w.sign()
	if err != nil {
		t.Fatal(err)
	}
	w.config = &tls.Config{Certificates: []tls.Certificate{pair}}
	image := built(t, "image")
	w.goCache = filepath.Join(filepath.Dir(image), "host-go-build")
	if err := os.MkdirAll(w.goCache, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(w.goCache, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(suite.ctx, "go", "mod", "download").CombinedOutput(); err != nil {
		t.Fatalf("go mod download: %v\n%s", err, out)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("cloud.debian.org/images/cloud/", func(rw http.ResponseWriter, r *http.Request) {
		http.ServeFile(rw, r, filepath.Join(image, "disk.qcow2"))
	})
	mux.HandleFunc("go.dev/dl/", serveGo(goEnv(t, "GOROOT")))
	mux.Handle("proxy.golang.org/", http.FileServer(http.Dir(filepath.Join(goEnv(t, "GOMODCACHE"), "cache/download"))))
	w.handler = mux
	return w
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(suite.ctx, "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// serveGo packs this machine's Go as go.dev does.
func serveGo(root string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".linux-amd64.tar.gz") {
			http.NotFound(rw, r)
			return
		}
		cmd := exec.CommandContext(r.Context(), "tar", "--transform=s,^\\.,go,", "--exclude=./test", "--exclude=./pkg/obj", "-C", root, "-c", ".")
		packed, _ := gzip.NewWriterLevel(rw, gzip.NoCompression) // an archive to unpack at once
		defer packed.Close()
		cmd.Stdout = packed
		_ = cmd.Run() // a broken archive is the client's to complain of
	}
}

func (w *web) sign() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mdserver's tests"}, DNSNames: webNames,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	var text bytes.Buffer
	if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return tls.Certificate{}, err
	}
	w.certificate = text.Bytes()
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// serve answers in the host whose process 1 this is, until stop.
func (w *web) serve(t *testing.T, init int) {
	t.Helper()
	var listener net.Listener
	err := lab.Within(fmt.Sprintf("/proc/%d/ns/net", init), func() (err error) {
		listener, err = tls.Listen("tcp", webAddress+":443", w.config)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.server = &http.Server{Handler: w.handler, ReadHeaderTimeout: 10 * time.Second}
	w.done = make(chan struct{})
	go func() {
		defer close(w.done)
		_ = w.server.Serve(listener)
	}()
}

func (w *web) stop() {
	if w.server == nil {
		return
	}
	_ = w.server.Shutdown(context.Background())
	<-w.done
	w.server = nil
}
