package etcd

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"mdserver/internal/config"
)

// login adds the token of a user to each request. The client of etcd can do so
// too, but cannot be made without a member that answers, and keeps the password.
type login struct {
	cfg   config.Store
	dials *atomic.Int64 // counts connections
	turn  chan struct{} // one authentication at a time

	mu     sync.Mutex
	known  bool
	token  string // "" if the cluster has authentication disabled
	asked  time.Time
	dialed int64 // connections that were made before
}

func newLogin(cfg config.Store, dials *atomic.Int64) *login {
	return &login{cfg: cfg, dials: dials, turn: make(chan struct{}, 1)}
}

func (l *login) options() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(l.unary), grpc.WithChainStreamInterceptor(l.stream)}
}

// unary sends a request with the token, and once more with a new token if etcd
// does not accept it: tokens end with time, and with changes of users.
func (l *login) unary(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	switch method {
	case etcdserverpb.Auth_Authenticate_FullMethodName:
		return invoke(ctx, method, request, reply, cc, options...)
	case etcdserverpb.Maintenance_Status_FullMethodName: // must not wait for a token
		token, _ := l.current()
		return invoke(withToken(ctx, token), method, request, reply, cc, options...)
	}
	token, err := l.get(ctx, cc)
	if err != nil {
		return err
	}
	err = invoke(withToken(ctx, token), method, request, reply, cc, options...)
	if !isRefused(err) {
		return err
	}
	l.forget(token)
	if token, err = l.get(ctx, cc); err != nil {
		return err
	}
	return invoke(withToken(ctx, token), method, request, reply, cc, options...)
}

// tokenAge is how long a token is used for streams. etcd forgets tokens that were not
// used for five minutes.
const tokenAge = time.Minute

// stream begins a stream with a token that etcd surely knows, because a stream that
// etcd refuses fails only later, as if the user had no permission. A member that
// was started again knows no tokens, and has a new connection.
func (l *login) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	l.mu.Lock()
	if l.dialed != l.dials.Load() || time.Since(l.asked) > tokenAge {
		l.token, l.known = "", false
	}
	l.mu.Unlock()
	token, err := l.get(ctx, cc)
	if err != nil {
		return nil, err
	}
	return stream(withToken(ctx, token), desc, cc, method, options...)
}

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, token)
}

// isRefused reports whether etcd did nothing for want of a valid token.
func isRefused(err error) bool {
	err = rpctypes.Error(err)
	return errors.Is(err, rpctypes.ErrInvalidAuthToken) || errors.Is(err, rpctypes.ErrAuthOldRevision) || errors.Is(err, rpctypes.ErrUserEmpty)
}

func (l *login) current() (token string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.token, l.known
}

// forget drops a token, unless there is a newer one.
func (l *login) forget(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == token {
		l.token, l.known = "", false
	}
}

// get returns the token, and asks for one if there is none.
func (l *login) get(ctx context.Context, cc *grpc.ClientConn) (string, error) {
	if token, known := l.current(); known {
		return token, nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if token, known := l.current(); known { // another request has fetched it
		return token, nil
	}
	asked, dialed := time.Now(), l.dials.Load()
	token, err := l.authenticate(ctx, cc)
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token, l.known, l.asked, l.dialed = token, true, asked, dialed
	return token, nil
}

// authenticate asks for a token. It asks again if a member has gone meanwhile.
func (l *login) authenticate(ctx context.Context, cc *grpc.ClientConn) (string, error) {
	secret, err := password(l.cfg)
	if err != nil {
		return "", err
	}
	request := &etcdserverpb.AuthenticateRequest{Name: l.cfg.User, Password: secret}
	var reply *etcdserverpb.AuthenticateResponse
	for range l.cfg.Endpoints {
		reply, err = etcdserverpb.NewAuthClient(cc).Authenticate(ctx, request)
		if status.Code(err) != codes.Unavailable {
			break
		}
	}
	if errors.Is(rpctypes.Error(err), rpctypes.ErrAuthNotEnabled) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return reply.Token, nil
}
