package etcdfake

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/etcd"
	"mdserver/internal/etcd/etcdtest"
)

// tell describes the answers of a cluster. Revisions count from base, its first one.
type tell struct {
	strings.Builder
	base int64
}

func (t *tell) keys(what string, kvs ...keyValue) {
	fmt.Fprint(t, what)
	for _, kv := range kvs {
		if kv == nil {
			fmt.Fprint(t, " none")
			continue
		}
		fmt.Fprintf(t, " %s=%s@%d,%d#%d", kv.Key, kv.Value, t.since(kv.CreateRevision), t.since(kv.ModRevision), kv.Version)
		if kv.Lease != 0 {
			fmt.Fprint(t, " leased")
		}
	}
	fmt.Fprintln(t)
}

func (t *tell) since(revision int64) int64 {
	if revision == 0 {
		return 0
	}
	return revision - t.base
}

// exercise makes requests of each kind, and describes the answers.
func exercise(ctx context.Context, t *testing.T, c *clientv3.Client) string {
	t.Helper()
	out := &tell{}
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(key, value string, opts ...clientv3.OpOption) *clientv3.PutResponse {
		resp, err := c.Put(ctx, key, value, opts...)
		fail(err)
		return resp
	}
	get := func(what, key string, opts ...clientv3.OpOption) *clientv3.GetResponse {
		resp, err := c.Get(ctx, key, opts...)
		if err != nil {
			fmt.Fprintln(out, what, err)
			return nil
		}
		out.keys(fmt.Sprint(what, " of ", resp.Count, " more ", resp.More), resp.Kvs...)
		return resp
	}
	txn := func(what string, ops []clientv3.Op, otherwise []clientv3.Op, conditions ...clientv3.Cmp) {
		resp, err := c.Txn(ctx).If(conditions...).Then(ops...).Else(otherwise...).Commit()
		if err != nil {
			fmt.Fprintln(out, what, err)
			return
		}
		fmt.Fprintln(out, what, resp.Succeeded, out.since(resp.Header.Revision), len(resp.Responses))
		for _, one := range resp.Responses {
			switch {
			case one.GetResponseRange() != nil:
				out.keys(" read", one.GetResponseRange().Kvs...)
			case one.GetResponseDeleteRange() != nil:
				fmt.Fprintln(out, " deleted", one.GetResponseDeleteRange().Deleted)
			case one.GetResponseTxn() != nil:
				fmt.Fprintln(out, " inner", one.GetResponseTxn().Succeeded)
			}
		}
	}

	out.base = put("base", "").Header.Revision
	first := put("a/1", "one").Header.Revision
	out.keys("the value before", put("a/1", "two", clientv3.WithPrevKV()).PrevKv, put("a/2", "x", clientv3.WithPrevKV()).PrevKv)
	put("a/3", "y")
	put("b/1", "z")
	all := get("all", "a/", clientv3.WithPrefix())
	get("one", "a/1")
	get("none", "a")
	get("a page", "a/", clientv3.WithPrefix(), clientv3.WithLimit(2))
	get("then", "a/", clientv3.WithPrefix(), clientv3.WithRev(first))
	get("newest first", "a/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend))
	get("the future", "a/1", clientv3.WithRev(all.Header.Revision+100))

	txn("new", []clientv3.Op{clientv3.OpPut("a/4", "4"), clientv3.OpDelete("a/2"), clientv3.OpGet("a/", clientv3.WithPrefix())}, nil,
		clientv3.Compare(clientv3.CreateRevision("a/4"), "=", 0), clientv3.Compare(clientv3.ModRevision("a/1"), "=", first+1))
	txn("not new", []clientv3.Op{clientv3.OpPut("a/4", "5")}, []clientv3.Op{clientv3.OpGet("a/4")}, clientv3.Compare(clientv3.CreateRevision("a/4"), "=", 0))
	txn("nested", []clientv3.Op{clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Value("a/4"), "=", "5")}, nil, []clientv3.Op{clientv3.OpDelete("a/", clientv3.WithPrefix())})}, nil,
		clientv3.Compare(clientv3.Version("a/1"), ">", 1), clientv3.Compare(clientv3.Version("a/1"), "<", 3), clientv3.Compare(clientv3.Value("a/1"), "!=", "x"))
	txn("a value of no key", nil, nil, clientv3.Compare(clientv3.Value("a/9"), "!=", "x"))
	txn("no lease", []clientv3.Op{clientv3.OpPut("a/5", "5"), clientv3.OpPut("a/6", "6", clientv3.WithLease(12345))}, nil)
	get("nothing of that", "a/", clientv3.WithPrefix())

	if _, err := c.Compact(ctx, first+1); err != nil {
		t.Fatal(err)
	}
	get("compacted", "a/1", clientv3.WithRev(first))
	get("not compacted", "a/1", clientv3.WithRev(first+1))

	lease, err := c.Grant(ctx, 600)
	fail(err)
	put("l/1", "leased", clientv3.WithLease(lease.ID))
	put("l/2", "leased", clientv3.WithLease(lease.ID))
	put("l/2", "not any more")
	get("leased", "l/", clientv3.WithPrefix())
	renewing, stop := context.WithCancel(ctx)
	renewed, err := c.KeepAlive(renewing, lease.ID)
	fail(err)
	fmt.Fprintln(out, "renewed", (<-renewed).TTL)
	stop()
	for range renewed {
	}
	_, err = c.Revoke(ctx, lease.ID)
	fail(err)
	get("revoked", "l/", clientv3.WithPrefix())
	_, err = c.Revoke(ctx, lease.ID)
	fmt.Fprintln(out, "revoked again", err)
	if renewed, err := c.KeepAlive(ctx, lease.ID); err == nil {
		_, ok := <-renewed
		fmt.Fprintln(out, "renewed again", ok)
	} else {
		fmt.Fprintln(out, "renewed again", false)
	}

	watching, end := context.WithCancel(ctx)
	watch := c.Watch(watching, "a/", clientv3.WithPrefix(), clientv3.WithRev(first+1), clientv3.WithCreatedNotify())
	put("a/7", "7")
	put("c", "not watched")
	_, err = c.Delete(ctx, "a/7")
	fail(err)
	for n := 0; n < 10; {
		resp, ok := <-watch
		if !ok || resp.Err() != nil {
			t.Fatal(resp.Err())
		}
		if resp.Created {
			fmt.Fprintln(out, "the watch begins")
		}
		for _, event := range resp.Events {
			out.keys(event.Type.String(), event.Kv)
			n++
		}
	}
	end()
	for range watch {
	}
	return out.String()
}

// TestLikeEtcd checks that the fake answers each kind of request as etcd does.
func TestLikeEtcd(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	client, err := etcd.Open(t.Context(), cluster.Config(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	want := exercise(t.Context(), t, client.Client)
	synctest.Test(t, func(t *testing.T) {
		if got := exercise(t.Context(), t, New().Client(t.Context())); got != want {
			t.Errorf("the fake:\n%s\netcd:\n%s", got, want)
		}
	})
}

// TestTime checks that leases end unless they are renewed.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		c := e.Client(t.Context())
		has := func(what string, want bool) {
			t.Helper()
			resp, err := c.Get(t.Context(), "k")
			if err != nil || len(resp.Kvs) > 0 != want {
				t.Errorf("%s: %v, %v", what, resp, err)
			}
		}
		lease, err := c.Grant(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Put(t.Context(), "k", "v", clientv3.WithLease(lease.ID)); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		renewed, err := c.KeepAlive(ctx, lease.ID)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		has("renewed", true)
		stop()
		for range renewed {
		}
		time.Sleep(9 * time.Second)
		has("not renewed", true)
		time.Sleep(2 * time.Second)
		has("over", false)
	})
}
