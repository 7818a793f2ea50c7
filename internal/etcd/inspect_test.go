package etcd

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestUnanswered(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("permission denied"), false},
		{rpctypes.ErrPermissionDenied, false},
		{rpctypes.ErrUserEmpty, false},
		{status.Error(codes.PermissionDenied, "no"), false},
		{context.DeadlineExceeded, true},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), true},
		{rpctypes.ErrNoLeader, true},
		{rpctypes.ErrTimeout, true},
		{rpctypes.ErrLeaderChanged, true},
		{status.Error(codes.Unavailable, "connection refused"), true},
		{status.Error(codes.DeadlineExceeded, "late"), true},
	} {
		if got := Unanswered(tt.err); got != tt.want {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}
