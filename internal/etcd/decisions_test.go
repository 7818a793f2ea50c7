package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"mdserver/internal/config"
	"mdserver/internal/etcd/cluster"
	"mdserver/internal/etcd/etcdfake"
)

// Requests go to members that can serve them, or else to those that answer, or else to
// all. One that was not asked yet may be able to.
func TestUsable(t *testing.T) {
	good, silent := cluster.Member{Leader: true}, cluster.Member{Err: errors.New("late")}
	leaderless, learner := cluster.Member{}, cluster.Member{Leader: true, Learner: true}
	for name, tt := range map[string]struct {
		members map[string]cluster.Member
		want    string
	}{
		"none was asked":                  {nil, "a b c"},
		"all are good":                    {map[string]cluster.Member{"a": good, "b": good, "c": good}, "a b c"},
		"one is silent":                   {map[string]cluster.Member{"a": good, "b": silent, "c": good}, "a c"},
		"one is silent, others not asked": {map[string]cluster.Member{"a": silent}, "b c"},
		"one knows no leader":             {map[string]cluster.Member{"a": leaderless, "b": good, "c": good}, "b c"},
		"one is a learner":                {map[string]cluster.Member{"a": learner, "b": good, "c": good}, "b c"},
		"none knows a leader":             {map[string]cluster.Member{"a": leaderless, "b": silent, "c": leaderless}, "a c"},
		"none answers":                    {map[string]cluster.Member{"a": silent, "b": silent, "c": silent}, "a b c"},
	} {
		c := &Client{endpoints: []string{"a", "b", "c"}, members: tt.members}
		if got := strings.Join(c.usable(), " "); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		var asked []string
		for _, m := range c.Members() {
			asked = append(asked, fmt.Sprint(m.Err, m.Leader, m.Learner))
		}
		var want []string
		for _, endpoint := range c.endpoints {
			if m, ok := tt.members[endpoint]; ok {
				want = append(want, fmt.Sprint(m.Err, m.Leader, m.Learner))
			}
		}
		if !slices.Equal(asked, want) {
			t.Errorf("%s: the members are %q, want %q in the order of the configuration", name, asked, want)
		}
	}
}

// The log has what changes, once.
func TestLogOfMembers(t *testing.T) {
	good, silent := cluster.Member{Leader: true, Version: "3.5.1"}, cluster.Member{Err: errors.New("late")}
	leaderless, learner := cluster.Member{}, cluster.Member{Leader: true, Learner: true}
	full := good
	full.Alarms = []string{"NOSPACE"}
	const (
		lost    = "level=WARN msg=\"an etcd member does not answer\" error=late\n"
		noLead  = "level=WARN msg=\"an etcd member knows no leader\"\n"
		usable  = "level=INFO msg=\"an etcd member can be used\" version=3.5.1\n"
		alarmed = "level=WARN msg=\"an etcd member complains\" alarms=[NOSPACE]\n"
	)
	for name, tt := range map[string]struct {
		before, now cluster.Member
		first       bool
		want        string
	}{
		"the first answer":             {cluster.Member{}, good, true, usable},
		"the first one is none":        {cluster.Member{}, silent, true, lost},
		"the first knows no leader":    {cluster.Member{}, leaderless, true, noLead},
		"as before":                    {good, good, false, ""},
		"silent":                       {good, silent, false, lost},
		"still silent":                 {silent, silent, false, ""},
		"answers again":                {silent, good, false, usable},
		"loses the leader":             {good, leaderless, false, noLead},
		"still without a leader":       {leaderless, leaderless, false, ""},
		"answers, but has no leader":   {silent, leaderless, false, ""},
		"finds a leader":               {leaderless, good, false, usable},
		"a learner":                    {silent, learner, false, ""},
		"an alarm":                     {good, full, false, alarmed},
		"still the alarm":              {full, full, false, ""},
		"the alarm is over":            {full, good, false, ""},
		"answers again, with an alarm": {silent, full, false, usable + alarmed},
	} {
		var log strings.Builder
		handler := slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		if logChange(slog.New(handler), tt.before, tt.now, !tt.first); log.String() != tt.want {
			t.Errorf("%s: logged\n%swant\n%s", name, &log, tt.want)
		}
	}
}

func TestAlarms(t *testing.T) {
	got := alarms([]string{"memberID:1 alarm:NOSPACE", rpctypes.ErrNoLeader.Error(), "memberID:1 alarm:CORRUPT"})
	if want := []string{"memberID:1 alarm:NOSPACE", "memberID:1 alarm:CORRUPT"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Only what etcd refuses for want of a good token is asked again.
func TestIsRefused(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                                 false,
		rpctypes.ErrGRPCInvalidAuthToken:    true,
		rpctypes.ErrGRPCAuthOldRevision:     true,
		rpctypes.ErrGRPCUserEmpty:           true,
		rpctypes.ErrGRPCPermissionDenied:    false,
		rpctypes.ErrGRPCAuthFailed:          false,
		rpctypes.ErrGRPCNoLeader:            false,
		context.DeadlineExceeded:            false,
		status.Error(codes.Unavailable, ""): false,
	} {
		if got := isRefused(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

func TestAddress(t *testing.T) {
	for endpoint, want := range map[string]string{"http://10.0.0.1:2379": "10.0.0.1:2379", "https://[fd00::1]:2379": "[fd00::1]:2379"} {
		if got := address(endpoint); got != want {
			t.Errorf("%s: %q, want %q", endpoint, got, want)
		}
	}
}

// What is below the prefix is told by its first parts, whatever is beside it.
func TestKinds(t *testing.T) {
	for name, tt := range map[string]struct {
		keys []string
		want string
	}{
		"nothing":        {[]string{"/mdserve/x", "/mdserver0", "/other/x"}, ""},
		"several":        {[]string{"/mdserver/guest/1", "/mdserver/guest/2", "/mdserver/guest0", "/mdserver/host/1", "/mdserver/note", "/z"}, "guest guest0 host note"},
		"many":           {many("/mdserver/", "/x", mostKinds+5), strings.TrimSpace(strings.Join(many("", " ", mostKinds), ""))},
		"a name of none": {[]string{"/mdserver//x"}, ""},
	} {
		c := etcdfake.New().Client(t.Context())
		for _, key := range tt.keys {
			if _, err := c.Put(t.Context(), key, ""); err != nil {
				t.Fatal(err)
			}
		}
		got, err := kinds(t.Context(), c, "/mdserver/")
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
	}
	fake := etcdfake.New()
	fake.Refuse(func(string, string) error { return rpctypes.ErrPermissionDenied })
	if got, err := kinds(t.Context(), fake.Client(t.Context()), "/mdserver/"); len(got) > 0 || !errors.Is(err, rpctypes.ErrPermissionDenied) {
		t.Errorf("without a permission: %q, %v", got, err)
	}
}

func many(before, behind string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%sk%03d%s", before, i, behind))
	}
	return list
}

// member is etcd as far as users and tokens go.
type member struct {
	etcdserverpb.UnimplementedAuthServer
	etcdserverpb.UnimplementedKVServer
	etcdserverpb.UnimplementedMaintenanceServer

	mu       sync.Mutex
	disabled bool   // authentication
	token    string // that is good
	asked    []string
	logins   int
	status   *etcdserverpb.StatusResponse
	fault    error // of its status
}

func (m *member) Authenticate(_ context.Context, r *etcdserverpb.AuthenticateRequest) (*etcdserverpb.AuthenticateResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logins++
	switch {
	case m.disabled:
		return nil, rpctypes.ErrGRPCAuthNotEnabled
	case r.Name != "mds" || r.Password != "secret":
		return nil, rpctypes.ErrGRPCAuthFailed
	}
	return &etcdserverpb.AuthenticateResponse{Token: m.token}, nil
}

// tokenOf notes the token of a request.
func (m *member) tokenOf(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	token := "none"
	if incoming, _ := metadata.FromIncomingContext(ctx); len(incoming.Get(rpctypes.TokenFieldNameGRPC)) > 0 {
		token = strings.Join(incoming.Get(rpctypes.TokenFieldNameGRPC), "+")
	}
	m.asked = append(m.asked, token)
	if !m.disabled && token != m.token {
		return rpctypes.ErrGRPCInvalidAuthToken
	}
	return nil
}

func (m *member) Range(ctx context.Context, _ *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	return &etcdserverpb.RangeResponse{}, m.tokenOf(ctx)
}

func (m *member) Status(ctx context.Context, _ *etcdserverpb.StatusRequest) (*etcdserverpb.StatusResponse, error) {
	_ = m.tokenOf(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status, m.fault
}

func (m *member) Snapshot(_ *etcdserverpb.SnapshotRequest, stream grpc.ServerStreamingServer[etcdserverpb.SnapshotResponse]) error {
	return m.tokenOf(stream.Context())
}

func (m *member) server() *grpc.Server {
	server := grpc.NewServer()
	etcdserverpb.RegisterAuthServer(server, m)
	etcdserverpb.RegisterKVServer(server, m)
	etcdserverpb.RegisterMaintenanceServer(server, m)
	return server
}

// startMember starts a member and connects to it as a user.
func startMember(t *testing.T, secret string) (*member, *login, *grpc.ClientConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &member{token: "t1", status: &etcdserverpb.StatusResponse{}}
	server := m.server()
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conns := newConns()
	l := newLogin(config.Store{User: "mds", PasswordFile: path, Endpoints: []string{"http://" + listener.Addr().String()}}, &conns.dials)
	options := append(l.options(), grpc.WithContextDialer(conns.dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
	cc, err := grpc.NewClient("passthrough:///"+listener.Addr().String(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return m, l, cc
}

// One token serves all requests until etcd refuses it; then one more is fetched, once.
func TestTokens(t *testing.T) {
	m, l, cc := startMember(t, "secret")
	read := func() error {
		_, err := etcdserverpb.NewKVClient(cc).Range(t.Context(), &etcdserverpb.RangeRequest{})
		return err
	}
	follow := func() error {
		stream, err := etcdserverpb.NewMaintenanceClient(cc).Snapshot(t.Context(), &etcdserverpb.SnapshotRequest{})
		if err != nil {
			return err
		}
		if _, err = stream.Recv(); err != nil && err.Error() == "EOF" {
			return nil
		}
		return err
	}
	ask := func() error {
		_, err := etcdserverpb.NewMaintenanceClient(cc).Status(t.Context(), &etcdserverpb.StatusRequest{})
		return err
	}
	renew := func() { m.mu.Lock(); m.token = "t2"; m.mu.Unlock() }
	for _, step := range []struct {
		name   string
		before func()
		do     func() error
		asked  string // the tokens that were shown
		logins int
		fails  bool
	}{
		{"the status waits for no token", nil, ask, "none", 0, false},
		{"the first request", nil, read, "t1", 1, false},
		{"the second one", nil, read, "t1", 0, false},
		{"the status has the token, too", nil, ask, "t1", 0, false},
		{"a stream", nil, follow, "t1", 0, false},
		{"a token that etcd has forgotten", renew, read, "t1 t2", 1, false},
		{"a stream with the new one", nil, follow, "t2", 0, false},
		{"a stream a minute later", func() { l.asked = l.asked.Add(-2 * tokenAge) }, follow, "t2", 1, false},
		{"a stream after a new connection", func() { l.dials.Add(1) }, follow, "t2", 1, false},
		{"a stream at once behind it", nil, follow, "t2", 0, false},
		{"etcd needs no users any more", func() { m.mu.Lock(); m.disabled = true; m.mu.Unlock(); l.forget("t2") }, read, "none", 1, false},
		{"it is not asked again", nil, read, "none", 0, false},
	} {
		if step.before != nil {
			step.before()
		}
		m.mu.Lock()
		m.asked, m.logins = nil, 0
		m.mu.Unlock()
		err := step.do()
		m.mu.Lock()
		if got := strings.Join(m.asked, " "); (err != nil) != step.fails || got != step.asked || m.logins != step.logins {
			t.Errorf("%s: %v; tokens %q, want %q; %d logins, want %d", step.name, err, got, step.asked, m.logins, step.logins)
		}
		m.mu.Unlock()
	}
}

// A password that is wrong or not there fails the request, and shows itself nowhere.
func TestWrongPassword(t *testing.T) {
	for secret, want := range map[string]string{"wr0ng": "authentication failed", "wr0ng\nwr0ng": "is not a password"} {
		m, _, cc := startMember(t, secret)
		_, err := etcdserverpb.NewKVClient(cc).Range(t.Context(), &etcdserverpb.RangeRequest{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wr0ng") || len(m.asked) > 0 {
			t.Errorf("%v, want %q; tokens %q", err, want, m.asked)
		}
	}
}

// A request that waits for another one's login gives up when its time is over.
func TestLoginTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(config.Store{}, nil)
		l.turn <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.get(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		go func() {
			time.Sleep(time.Second)
			l.mu.Lock()
			l.token, l.known = "t1", true
			l.mu.Unlock()
			<-l.turn
		}()
		if token, err := l.get(t.Context(), nil); token != "t1" || err != nil { // it asks for none of its own
			t.Errorf("%q, %v", token, err)
		}
		if l.forget("t0"); l.token != "t1" { // a newer one stays
			t.Error("the token of another request is forgotten")
		}
	})
}

// What is dropped is closed for whoever waits there, and no other connection is.
func TestDrop(t *testing.T) {
	cs := newConns()
	opened := map[string]net.Conn{}
	for _, name := range []string{"a", "b"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		if opened[name], err = cs.dial(t.Context(), listener.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer opened[name].Close()
	}
	cs.drop(opened["a"].RemoteAddr().String())
	_, errA := opened["a"].Write([]byte("x"))
	_, errB := opened["b"].Write([]byte("x"))
	if !errors.Is(errA, net.ErrClosed) || errB != nil || cs.dials.Load() != 2 {
		t.Errorf("dropped: %v, the other one: %v; %d connections were made", errA, errB, cs.dials.Load())
	}
	opened["b"].Close()
	for address, open := range cs.open {
		if len(open) > 0 {
			t.Errorf("%s is closed and still known", address)
		}
	}
}

// A member that refuses to tell how it is answers nevertheless.
func TestProbe(t *testing.T) {
	m, _, cc := startMember(t, "secret")
	good := &etcdserverpb.StatusResponse{Version: "3.5.1", Leader: 7, DbSize: 4096, Errors: []string{"memberID:1 alarm:NOSPACE"}}
	for name, tt := range map[string]struct {
		status *etcdserverpb.StatusResponse
		fault  error
		want   cluster.Member
		silent bool
	}{
		"good":        {good, nil, cluster.Member{Version: "3.5.1", Leader: true, Size: 4096, Alarms: good.Errors}, false},
		"no leader":   {&etcdserverpb.StatusResponse{Version: "3.5.1", Errors: []string{rpctypes.ErrNoLeader.Error()}}, nil, cluster.Member{Version: "3.5.1"}, false},
		"a learner":   {&etcdserverpb.StatusResponse{Version: "3.5.1", Leader: 7, IsLearner: true}, nil, cluster.Member{Version: "3.5.1", Leader: true, Learner: true}, false},
		"not allowed": {nil, rpctypes.ErrGRPCPermissionDenied, cluster.Member{Leader: true}, false},
		"unavailable": {nil, status.Error(codes.Unavailable, "down"), cluster.Member{}, true},
		"late":        {nil, status.Error(codes.DeadlineExceeded, "late"), cluster.Member{}, true},
	} {
		m.mu.Lock()
		m.status, m.fault = tt.status, tt.fault
		m.mu.Unlock()
		got := probe(t.Context(), "http://a", cc)
		if (got.Err != nil) != tt.silent || got.Endpoint != "http://a" || (got.Latency > 0) == tt.silent {
			t.Errorf("%s: %+v", name, got)
		}
		got.Endpoint, got.Err, got.Latency = "", nil, 0
		if len(got.Alarms) == 0 {
			got.Alarms = nil
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

// Whoever waits for a member that does not answer waits no longer.
func TestSilentMemberIsDropped(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, _ := open(t, config.Store{Endpoints: []string{"http://" + listener.Addr().String()}})
	waiting, err := c.conns.dial(t.Context(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	c.note(cluster.Member{Endpoint: c.endpoints[0], Err: errors.New("late")})
	if _, err := waiting.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("its connection: %v", err)
	}
}

// configOf is a client's configuration with the server's certificate as its own and as that
// of the authority.
func configOf(t *testing.T, server *httptest.Server) config.Store {
	t.Helper()
	leaf, key := server.TLS.Certificates[0], filepath.Join(t.TempDir(), "key.pem")
	cert := filepath.Join(t.TempDir(), "cert.pem")
	der, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err := errors.Join(err,
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return config.Store{Endpoints: []string{server.URL}, CAFile: cert, CertFile: cert, KeyFile: key}
}

// An inspection asks each member by TLS and as the user, and tells what it says of itself.
func TestInspectMembers(t *testing.T) {
	m := &member{token: "t1", status: &etcdserverpb.StatusResponse{Version: "3.5.1", Leader: 7}}
	requests := m.server()
	defer requests.Stop()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Content-Type") == "application/grpc":
			requests.ServeHTTP(w, r)
		case r.URL.Path == "/version":
			w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		default:
			http.NotFound(w, r)
		}
	}))
	server.EnableHTTP2, server.Config.ErrorLog = true, slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	cfg := configOf(t, server)
	cfg.Endpoints = append([]string{"https://127.0.0.1:1"}, cfg.Endpoints...)
	cfg.User, cfg.PasswordFile = "mds", filepath.Join(t.TempDir(), "password")
	for password, allowed := range map[string]bool{"secret": true, "wrong": false} {
		if err := os.WriteFile(cfg.PasswordFile, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		var found cluster.Inspection
		within(t, 20*time.Second, func() (err error) { // it is late on a busy machine
			if found, err = Inspect(t.Context(), cfg); err != nil || len(found.Members) != 2 {
				return fmt.Errorf("%s: %+v, %w", password, found, err)
			}
			return errors.Join(found.Members[1].Member.Err, found.Members[1].Err)
		})
		silent, one, end := found.Members[0], found.Members[1], server.Certificate().NotAfter
		if silent.Endpoint != cfg.Endpoints[0] || silent.Member.Err == nil || !silent.Expires.IsZero() {
			t.Errorf("%s: nothing listens at the first endpoint: %+v", password, silent)
		}
		if one.Member.Err != nil || one.Version != "3.5.1" || !one.Leader || one.Err != nil || !one.Expires.Equal(end) || (one.Clock-time.Hour).Abs() > 2*time.Second {
			t.Errorf("%s: the member is %+v, and its certificate ends at %v", password, one, end)
		}
		if !found.Own.Equal(end) || (found.Access == nil) != allowed {
			t.Errorf("%s: our certificate ends at %v, want %v; %v", password, found.Own, end, found.Access)
		}
	}
	if !slices.Contains(m.asked, "t1") {
		t.Errorf("the tokens of the requests were %q", m.asked)
	}
}

// TLS is with the files of the configuration, and the certificates' ends are told.
func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	leaf, cfg := server.TLS.Certificates[0], configOf(t, server)
	files, err := tlsConfig(cfg)
	if err != nil || files.MinVersion != tls.VersionTLS12 || len(files.Certificates) != 1 || !slices.Equal(files.Certificates[0].Certificate[0], leaf.Certificate[0]) {
		t.Errorf("%+v, %v", files, err)
	}
	end := server.Certificate().NotAfter
	if got, err := ownExpiry(cfg); !got.Equal(end) || err != nil {
		t.Errorf("our certificate ends at %v, %v; want %v", got, err, end)
	}
	clock, expires, err := askByHTTP(t.Context(), cfg, server.URL)
	if err != nil || !expires.Equal(end) || (clock-time.Hour).Abs() > 2*time.Second {
		t.Errorf("the member's clock is ahead by %v, its certificate ends at %v, want %v; %v", clock, expires, end, err)
	}
	cfg.CAFile = ""
	if _, _, err := askByHTTP(t.Context(), cfg, server.URL); err == nil {
		t.Error("a certificate of no known authority is accepted")
	}
}

// A password may have spaces: all of its line is sent.
func TestPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	for text, want := range map[string]string{"secret": "secret", "secret\n": "secret", " two words \r\n": " two words "} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := password(config.Store{PasswordFile: path}); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
