package hook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/cli/command"
	"mdserver/internal/config"
)

const domainXML = "<domain><name>web1</name></domain>"

// socketDir is short enough for a Unix socket's path, which t.TempDir is not.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hook")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// listen serves HTTP on a Unix socket until the test ends, and gives its path.
func listen(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	path := filepath.Join(socketDir(t), "mdserver.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return path
}

// runHook runs a hook against a socket and returns what it reports.
func runHook(socket string, timeout time.Duration, stdin io.Reader, args ...string) error {
	var reported error
	h := hook{
		timeout: timeout,
		socket:  func() string { return socket },
		report:  func(err error) { reported = err },
	}
	h.run(context.Background(), args, stdin)
	return reported
}

func TestHookPostsTheDomain(t *testing.T) {
	for arguments, path := range map[string]string{
		"prepare begin -":      "/instance-upload?operation=prepare",
		"migrate begin -":      "/instance-upload?operation=migrate",
		"release end -":        "/v1/stopped?reason=-",
		"release end migrated": "/v1/stopped?reason=migrated",
		"release end":          "/v1/stopped?reason=",
	} {
		t.Run(arguments, func(t *testing.T) {
			var got []string
			socket := listen(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = append(got, r.Method, r.URL.String(), r.Header.Get("Content-Type"), string(body))
			})
			if err := runHook(socket, time.Minute, strings.NewReader(domainXML), append([]string{"web1"}, strings.Fields(arguments)...)...); err != nil {
				t.Fatal(err)
			}
			want := "POST " + path + " application/xml " + domainXML
			if strings.Join(got, " ") != want {
				t.Errorf("the server got %q, want %q", got, want)
			}
		})
	}
}

// unread fails the test when somebody reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("standard input was read")
	return 0, io.EOF
}

func TestHookLeavesOtherOperationsAlone(t *testing.T) {
	for _, args := range []string{
		"", "web1", "web1 prepare", "web1 prepare end -", "web1 start begin -", "web1 started begin -",
		"web1 stopped end -", "web1 release begin -", "web1 reconnect begin -", "web1 restore begin -",
		"web1 attach begin -", "--help", "prepare begin web1 -",
	} {
		t.Run(args, func(t *testing.T) {
			socket := listen(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") })
			if err := runHook(socket, time.Minute, unread{t}, strings.Fields(args)...); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHookReportsWhatWentWrong(t *testing.T) {
	refuse := func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no interface on the network mds\n", http.StatusUnprocessableEntity)
	}
	unused := func(w http.ResponseWriter, r *http.Request) { t.Error("the server was asked") }
	tests := []struct {
		name    string
		handler http.HandlerFunc
		stdin   string
		want    string
	}{
		{"refused", refuse, domainXML, `422 Unprocessable Entity: "no interface on the network mds"`},
		{"no input", unused, "", "no domain XML on standard input"},
		{"too much input", unused, strings.Repeat("x", maxDomainXML+1), "larger than 1048576 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := runHook(listen(t, test.handler), time.Minute, strings.NewReader(test.stdin), "web\n1", "prepare", "begin", "-")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("reported %v, want %q", err, test.want)
			}
			if !strings.HasPrefix(err.Error(), `guest "web\n1", prepare: `) || strings.Contains(err.Error(), "\n") {
				t.Errorf("reported %q, which does not name the guest on one line", err)
			}
		})
	}
}

func TestHookWithoutServer(t *testing.T) {
	err := runHook(filepath.Join(socketDir(t), "none"), time.Minute, strings.NewReader(domainXML), "web1", "prepare", "begin", "-")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reported %v, want that the socket does not exist", err)
	}
}

func TestHookDoesNotWait(t *testing.T) {
	forever := make(chan struct{})
	defer close(forever)
	hang := func(http.ResponseWriter, *http.Request) { <-forever }
	silence, closeSilence := io.Pipe()
	defer closeSilence.Close()

	unaccepted := filepath.Join(socketDir(t), "sock")
	listener, err := net.Listen("unix", unaccepted)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	tests := []struct {
		name   string
		socket string
		stdin  io.Reader
	}{
		{"for a stuck handler", "", strings.NewReader(domainXML)},
		{"for a server that accepts nobody", unaccepted, strings.NewReader(domainXML)},
		{"for input that never ends", "", io.MultiReader(strings.NewReader(domainXML), silence)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			socket := test.socket
			if socket == "" {
				socket = listen(t, hang)
			}
			// That it comes back at all is the test: nothing else ends the wait.
			err := runHook(socket, 50*time.Millisecond, test.stdin, "web1", "prepare", "begin", "-")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("reported %v, want that the time is over", err)
			}
		})
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a bug") }

func TestHookSurvivesPanic(t *testing.T) {
	err := runHook("", time.Minute, panicking{}, "web1", "prepare", "begin", "-")
	if err == nil || !strings.Contains(err.Error(), "panic: a bug") {
		t.Errorf("reported %v", err)
	}
}

func TestHookCommandIsSilentAndSucceeds(t *testing.T) {
	t.Setenv("MDSERVER_SOCKET", filepath.Join(socketDir(t), "none"))
	for _, args := range [][]string{
		{}, {"--help"}, {"-x", "--what"}, {"web1", "prepare", "begin", "-"}, {"web1", "stopped", "end", "-"},
	} {
		var out bytes.Buffer
		cmd := Command()
		cmd.SetArgs(args)
		cmd.SetIn(strings.NewReader(domainXML))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		if err := cmd.Execute(); err != nil {
			t.Errorf("%q: %v", args, err)
		}
		if out.Len() > 0 {
			t.Errorf("%q printed %q", args, &out)
		}
	}
}

func TestHookKeepsToTwoSeconds(t *testing.T) {
	if spare := 2*time.Second - newHook().timeout - syslogTimeout; spare < 200*time.Millisecond {
		t.Errorf("only %v are left for starting the process", spare)
	}
}

// The command itself registers a guest.
func TestHookCommandPostsTheDomain(t *testing.T) {
	var got string
	t.Setenv("MDSERVER_SOCKET", listen(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.URL.Path + " " + string(body)
	}))
	cmd := Command()
	cmd.SetArgs([]string{"web1", "prepare", "begin", "-"})
	cmd.SetIn(strings.NewReader(domainXML))
	if err := cmd.Execute(); err != nil || got != "/instance-upload "+domainXML {
		t.Errorf("the server got %q, %v", got, err)
	}
}

// A log that hangs or fails holds nobody up for long.
func TestAttempt(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func() error
		want time.Duration
	}{
		"succeeds": {func() error { return nil }, 0},
		"fails":    {func() error { return io.EOF }, 0},
		"panics":   {func() error { panic("a bug") }, 0},
		"is slow":  {func() error { time.Sleep(time.Second - 1); return nil }, time.Second - 1},
		"hangs":    {func() error { time.Sleep(time.Hour); return nil }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				attempt(time.Second, tt.do)
				if took := time.Since(began); took != tt.want {
					t.Errorf("it waits for %s, want %s", took, tt.want)
				}
				time.Sleep(time.Hour) // what hangs ends
			})
		})
	}
}

// TestHookSocket checks that the hook takes the socket from its environment or the configuration.
// If the configuration does not load, no server runs with it, and the hook takes the default.
func TestHookSocket(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	valid, wrong := write("valid.conf", "[mdserver]\nsocket = /run/a.sock\n"), write("wrong.conf", "[mdserver]\nsocket = /run/a.sock\nport = many\n")
	usual := config.Default().Server.Socket
	installed := usual // or what a configuration of this host says
	if conf, _, err := config.Load(command.DefaultConfig); err == nil {
		installed = conf.Server.Socket
	}
	for _, tt := range []struct{ name, socket, conf, want string }{
		{"a socket", "/run/b.sock", "", "/run/b.sock"},
		{"a socket and a configuration", "/run/b.sock", valid, "/run/b.sock"},
		{"a configuration", "", valid, "/run/a.sock"},
		{"a wrong configuration", "", wrong, usual},
		{"no configuration", "", filepath.Join(dir, "none"), usual},
		{"nothing is named", "", "", installed},
	} {
		t.Setenv("MDSERVER_SOCKET", tt.socket)
		t.Setenv("MDSERVER_CONFIG", tt.conf)
		if got := hookSocket(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestHookTakesTheLargestDomain checks that a definition of the maximum size arrives whole.
func TestHookTakesTheLargestDomain(t *testing.T) {
	got := 0
	socket := listen(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = len(body)
	})
	if err := runHook(socket, time.Minute, strings.NewReader(strings.Repeat("x", maxDomainXML)), "web1", "prepare", "begin", "-"); err != nil || got != maxDomainXML {
		t.Errorf("%v, %d bytes arrived", err, got)
	}
}
