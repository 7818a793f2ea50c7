package etcd

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"mdserver/internal/config"
	"mdserver/internal/etcd/cluster"
)

// Unanswered reports whether a request failed only because no member answered it in time,
// as while they elect a leader.
func Unanswered(err error) bool {
	code := status.Code(err)
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		code = e.Code()
	}
	return errors.Is(err, context.DeadlineExceeded) || code == codes.Unavailable || code == codes.DeadlineExceeded
}

// Inspect asks each member of a cluster once, and takes a few seconds if one does
// not answer. It fails if a file in cfg cannot be used.
func Inspect(ctx context.Context, cfg config.Store) (cluster.Inspection, error) {
	c, err := Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return cluster.Inspection{}, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout+3*dialTimeout)
	defer cancel()
	var found cluster.Inspection
	if cfg.TLS() && cfg.CertFile != "" {
		if found.Own, err = ownExpiry(cfg); err != nil {
			return cluster.Inspection{}, err
		}
	}
	for len(c.Members()) < len(cfg.Endpoints) && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	for _, m := range c.Members() {
		one := cluster.Inspected{Member: m}
		if m.Err == nil {
			one.Clock, one.Expires, one.Err = askByHTTP(ctx, cfg, m.Endpoint)
		}
		found.Members = append(found.Members, one)
	}
	limit, stop := context.WithTimeout(ctx, dialTimeout)
	defer stop()
	found.Kinds, found.Access = kinds(limit, c.Client, cfg.Prefix)
	return found, nil
}

// mostKinds bounds the requests of kinds.
const mostKinds = 100

// kinds returns the first parts of the keys below a prefix. It reads one key of
// each kind.
func kinds(ctx context.Context, c *clientv3.Client, prefix string) ([]string, error) {
	end := clientv3.GetPrefixRangeEnd(prefix)
	var list []string
	for from := prefix; len(list) < mostKinds; {
		reply, err := c.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(1), clientv3.WithKeysOnly())
		if err != nil || len(reply.Kvs) == 0 {
			return list, err
		}
		key := string(reply.Kvs[0].Key)
		kind, _, more := strings.Cut(key[len(prefix):], "/")
		list = append(list, kind)
		if from = key + "\x00"; more {
			from = clientv3.GetPrefixRangeEnd(prefix + kind + "/")
		}
	}
	return list, nil
}

func ownExpiry(cfg config.Store) (time.Time, error) {
	files, err := tlsConfig(cfg)
	if err != nil {
		return time.Time{}, err
	}
	leaf, err := x509.ParseCertificate(files.Certificates[0].Certificate[0])
	if err != nil {
		return time.Time{}, fmt.Errorf("store.cert_file %s: %w", cfg.CertFile, err)
	}
	return leaf.NotAfter, nil
}

// askByHTTP asks a member for its version, because that answer has a date and,
// with TLS, the member's certificate.
func askByHTTP(ctx context.Context, cfg config.Store, endpoint string) (clock time.Duration, expires time.Time, err error) {
	transport := &http.Transport{DisableKeepAlives: true}
	if cfg.TLS() {
		if transport.TLSClientConfig, err = tlsConfig(cfg); err != nil {
			return 0, expires, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/version", nil)
	if err != nil {
		return 0, expires, err
	}
	begin := time.Now()
	reply, err := transport.RoundTrip(request)
	if err != nil {
		return 0, expires, err
	}
	defer reply.Body.Close()
	if date, err := http.ParseTime(reply.Header.Get("Date")); err == nil {
		clock = date.Add(500 * time.Millisecond).Sub(begin.Add(time.Since(begin) / 2)).Round(time.Second)
	}
	if reply.TLS != nil {
		expires = reply.TLS.PeerCertificates[0].NotAfter
	}
	return clock, expires, nil
}
