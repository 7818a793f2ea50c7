// Package etcd connects to an etcd cluster: with TLS whose files may change, with a
// user and a password, and away from members that do not answer.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"mdserver/internal/config"
	"mdserver/internal/etcd/cluster"
)

// Limits in time. A member that stops answering is found after probeEvery and
// probeTimeout, and is not asked from then on.
const (
	probeEvery   = time.Second
	probeTimeout = 900 * time.Millisecond
	dialTimeout  = 2 * time.Second
	redialAfter  = 500 * time.Millisecond // at most
)

// Client is a connection to an etcd cluster. It sends requests to those members
// only that answer and know a leader, as far as there are any.
type Client struct {
	*clientv3.Client

	endpoints []string
	conns     *conns
	log       *slog.Logger

	mu      sync.Mutex
	members map[string]cluster.Member // by endpoint

	done sync.WaitGroup
}

// Open makes a client that works until ctx ends; the caller closes it. It does not wait
// for a connection, so it needs no member. It fails if a file in cfg cannot be used; see
// CheckFiles.
func Open(ctx context.Context, cfg config.Store, log *slog.Logger) (*Client, error) {
	if err := CheckFiles(cfg); err != nil {
		return nil, err
	}
	c := &Client{endpoints: cfg.Endpoints, conns: newConns(), log: log, members: map[string]cluster.Member{}}
	inner, err := clientv3.New(clientv3.Config{
		Context:     ctx,
		Endpoints:   cfg.Endpoints,
		DialTimeout: dialTimeout,
		DialOptions: dialOptions(cfg, c.conns),
		Logger:      zap.NewNop(), // errors reach the caller, and members have their lines in log
	})
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	c.Client = inner
	if err := c.watchMembers(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func dialOptions(cfg config.Store, conns *conns) []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithContextDialer(conns.dial),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: redialAfter / 4, Multiplier: 2, Jitter: 0.2, MaxDelay: redialAfter},
			MinConnectTimeout: dialTimeout,
		}),
	}
	if cfg.TLS() {
		options = append(options, grpc.WithTransportCredentials(newTransport(cfg)))
	}
	if cfg.User != "" {
		options = append(options, newLogin(cfg, &conns.dials).options()...)
	}
	return options
}

// Close ends all connections and waits for what the client has started.
func (c *Client) Close() error {
	err := c.Client.Close() // ends Ctx, too
	c.done.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("etcd: %w", err)
	}
	return nil
}

// address is the endpoint as connections have it: host and port.
func address(endpoint string) string {
	_, at, _ := strings.Cut(endpoint, "://")
	return at
}
