package etcd

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"mdserver/internal/etcd/cluster"
)

// Members returns the members in the order of the configuration, those only
// that were asked already.
func (c *Client) Members() []cluster.Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []cluster.Member
	for _, endpoint := range c.endpoints {
		if m, asked := c.members[endpoint]; asked {
			list = append(list, m)
		}
	}
	return list
}

// watchMembers asks each member regularly until Ctx ends, on a connection of its own.
func (c *Client) watchMembers() error {
	c.ActiveConnection().Connect() // before the endpoints change for the first time
	for _, endpoint := range c.endpoints {
		conn, err := c.Dial(endpoint)
		if err != nil {
			return fmt.Errorf("etcd: %s: %w", endpoint, err)
		}
		c.done.Go(func() {
			defer conn.Close()
			c.watchMember(c.Ctx(), endpoint, conn)
		})
	}
	return nil
}

func (c *Client) watchMember(ctx context.Context, endpoint string, conn *grpc.ClientConn) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		m := probe(ctx, endpoint, conn)
		if ctx.Err() != nil {
			return
		}
		c.note(m)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// probe asks a member for its status, which it knows without the others.
func probe(ctx context.Context, endpoint string, conn *grpc.ClientConn) cluster.Member {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	m := cluster.Member{Endpoint: endpoint}
	begin := time.Now()
	reply, err := etcdserverpb.NewMaintenanceClient(conn).Status(ctx, &etcdserverpb.StatusRequest{})
	m.Latency = time.Since(begin)
	switch status.Code(err) {
	case codes.OK:
		m.Version, m.Leader, m.Learner, m.Size, m.Alarms = reply.Version, reply.Leader != 0, reply.IsLearner, reply.DbSize, alarms(reply.Errors)
	case codes.Unavailable, codes.DeadlineExceeded:
		m = cluster.Member{Endpoint: endpoint, Err: err}
	default: // it refuses to tell, but answers
		m.Leader = true
	}
	return m
}

// alarms are the errors of a member, less the one that Leader shows.
func alarms(errs []string) []string {
	return slices.DeleteFunc(errs, func(e string) bool { return e == rpctypes.ErrNoLeader.Error() })
}

// note keeps what a member answered, and sends requests to the members that can
// serve them.
func (c *Client) note(m cluster.Member) {
	c.mu.Lock()
	before, asked := c.members[m.Endpoint]
	c.members[m.Endpoint] = m
	usable := c.usable()
	if !slices.Equal(usable, c.Endpoints()) {
		c.SetEndpoints(usable...)
	}
	c.mu.Unlock()

	if m.Err != nil {
		c.conns.drop(address(m.Endpoint)) // what waits there would wait on
	}
	logChange(c.log.With("endpoint", m.Endpoint), before, m, asked)
}

// usable are the endpoints to send requests to: of members that are usable, else
// of those that answer, else of all. The caller holds mu.
func (c *Client) usable() []string {
	var usable, answering []string
	for _, endpoint := range c.endpoints {
		m, asked := c.members[endpoint]
		if !asked || m.Usable() {
			usable = append(usable, endpoint)
		}
		if m.Err == nil {
			answering = append(answering, endpoint)
		}
	}
	switch {
	case len(usable) > 0:
		return usable
	case len(answering) > 0:
		return answering
	}
	return c.endpoints
}

func logChange(log *slog.Logger, before, now cluster.Member, asked bool) {
	switch {
	case now.Err != nil && (!asked || before.Err == nil):
		log.Warn("an etcd member does not answer", "error", now.Err)
	case now.Err == nil && !now.Leader && (!asked || before.Leader):
		log.Warn("an etcd member knows no leader")
	case now.Usable() && !before.Usable():
		log.Info("an etcd member can be used", "version", now.Version)
	}
	if now.Err == nil && len(now.Alarms) > 0 && !slices.Equal(before.Alarms, now.Alarms) {
		log.Warn("an etcd member complains", "alarms", now.Alarms)
	}
}
