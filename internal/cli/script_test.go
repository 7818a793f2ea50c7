package cli

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/programtest"
	"mdserver/internal/visible"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mdserver": func() { os.Exit(Main(os.Args[1:])) },
	})
}

// TestScripts runs the command line as a person would. Each script has a
// loopback address of its own in $ADDR and a configuration in mdserver.conf
// that serves there, without dnsmasq.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"waitfor": waitFor, "eventually": eventually, "harmless": harmless, "reported": reported,
			"etcd": func(ts *testscript.TestScript, _ bool, _ []string) { startEtcd(t, ts) }},
		Condition: scriptCondition,
	})
}

// scriptCondition knows the condition programs: whether scripts may need a program of
// the system.
func scriptCondition(name string) (bool, error) {
	if name != "programs" {
		return false, fmt.Errorf("unknown condition %s", name)
	}
	return !programtest.Skipped(), nil
}

// startEtcd starts an etcd cluster that all tests share the end of, with its
// endpoint in $ETCD.
func startEtcd(t *testing.T, ts *testscript.TestScript) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	ts.Setenv("ETCD", cluster.Members[0].Endpoint)
}

const scriptConfig = `[mdserver]
listen_address = %[1]s
port = 8775
socket = %[2]s/sock
db_file = %[2]s/db_file.json
userdata_dir = %[2]s/userdata
logfile = %[2]s/mdserver.log

[dnsmasq]
run = off
base_dir = %[2]s/dnsmasq
run_dir = %[2]s/run
net_address = 10.122.0.0
net_prefix = 28

[libvirt]
uri = off

[service]
location = here
`

func setupScript(env *testscript.Env) error {
	addr := fmt.Sprintf("127.%d.%d.1", 1+rand.IntN(254), rand.IntN(255))
	env.Setenv("ADDR", addr)
	env.Setenv("GORACE", "atexit_sleep_ms=0") // with the race detector, each process would end after a second
	// test/mutants uses these to tell the commands which defect to have.
	for _, name := range []string{"MDSERVER_MUTANT", "MDSERVER_MUTANTS_REACHED"} {
		env.Setenv(name, os.Getenv(name))
	}
	env.Setenv("HOSTILE", "x\x1b[31m\u202e\u009b\x9b\nmdserver: forged")
	file := filepath.Join(env.WorkDir, "mdserver.conf")
	return os.WriteFile(file, fmt.Appendf(nil, scriptConfig, addr, env.WorkDir), 0o644)
}

// eventually runs a program until it succeeds, such as a change that waits for the
// server to find etcd.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: eventually program [args...]")
	}
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = ts.Exec(args[0], args[1:]...); err == nil {
			return
		}
	}
	ts.Fatalf("waited in vain for %v to succeed: %v", args, err)
}

// waitFor waits until somebody listens on a Unix socket, or with ! until
// nobody does.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		conn, err := net.Dial("unix", path)
		if err == nil {
			_ = conn.Close()
		}
		if (err != nil) == neg {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("waited in vain for %s", path)
}

// harmless checks files, by default what the last command printed: visible
// characters, and no line that hostile data made.
func harmless(ts *testscript.TestScript, neg bool, files []string) {
	if neg {
		ts.Fatalf("unsupported: ! harmless")
	}
	if len(files) == 0 {
		files = []string{"stdout", "stderr"}
	}
	for _, file := range files {
		text := ts.ReadFile(file)
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if visible.String(line) != line || strings.HasPrefix(line, "mdserver: forged") {
				ts.Fatalf("%s has %q", file, line)
			}
		}
	}
}
