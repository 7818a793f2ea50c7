package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

type options struct {
	time    time.Duration // for each package
	seed    uint64
	workers int
	skip    string // tests that do not run
	only    *regexp.Regexp
}

// A result counts a package's defects. Tests miss the unreached ones too.
type result struct {
	name                             string
	noticed, missed, unreached, left int
}

func (r result) tried() int { return r.noticed + r.missed + r.unreached }

func (r result) percent() float64 {
	return 100 * float64(r.noticed) / float64(max(1, r.tried()))
}

// try runs a package's tests with each defect, and prints those that they miss.
func try(ctx context.Context, opts options, p pkg) (result, error) {
	r := result{name: p.ImportPath}
	dir, err := os.MkdirTemp(scratch(), "m") // short: tests make sockets below it
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return r, err
	}
	tests := tests{binary: filepath.Join(dir, "tests"), dir: p.Dir, temp: filepath.Join(dir, "t"), skip: opts.skip}
	if err := os.Mkdir(tests.temp, 0o777); err != nil {
		return r, err
	}
	if err := os.Chmod(tests.temp, 0o777); err != nil { // whatever the umask
		return r, err
	}
	mutants, err := p.build(ctx, dir, tests.binary)
	if err != nil {
		return r, err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !opts.only.MatchString(m.String()) })
	reached, err := tests.reached(ctx)
	if err != nil {
		return r, err
	}
	var candidates []mutant
	missed := map[int]string{}
	for _, m := range mutants {
		if reached[m.id] {
			candidates = append(candidates, m)
			continue
		}
		missed[m.id] = "unreached"
		r.unreached++
	}
	verdicts := tests.all(ctx, opts, candidates)
	if err := ctx.Err(); err != nil {
		return r, err
	}
	for i, m := range candidates {
		switch verdicts[i] {
		case untried:
			r.left++
		case noticed:
			r.noticed++
		case unnoticed:
			missed[m.id] = "missed"
			r.missed++
		}
	}
	for _, m := range mutants {
		if how, ok := missed[m.id]; ok {
			fmt.Printf("%-9s %s/%s\n", how, p.ImportPath, m)
		}
	}
	return r, nil
}

// scratch is where the tests write, unless TMPDIR says where: in memory, since much of
// their time would be spent on writing what need not last.
func scratch() string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); os.Getenv("TMPDIR") == "" && err == nil && info.IsDir() {
		return memory
	}
	return ""
}

type verdict int

const (
	untried verdict = iota
	noticed
	unnoticed
)

// tests are the compiled tests of a package.
type tests struct {
	binary, dir string
	temp        string        // directory for temporary files
	skip        string        // what does not run
	limit       time.Duration // of one run
}

// reached runs the tests without a defect, returns the defects that they come
// across, and sets the limit of the other runs.
func (t *tests) reached(ctx context.Context) (map[int]bool, error) {
	file := filepath.Join(t.temp, "reached")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		return nil, err
	}
	if err := os.Chmod(file, 0o666); err != nil {
		return nil, err
	}
	t.limit = 5 * time.Minute
	start := time.Now()
	if out, err := t.run(ctx, "MDSERVER_MUTANTS_REACHED="+file); err != nil {
		return nil, fmt.Errorf("the tests fail without a defect: %w\n%s", err, out)
	}
	t.limit = 10*time.Second + 5*time.Since(start)
	numbers, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	reached := map[int]bool{}
	for _, line := range strings.Fields(string(numbers)) {
		id, err := strconv.Atoi(line)
		if err != nil {
			return nil, err
		}
		reached[id] = true
	}
	return reached, nil
}

// all tries defects in random order until the time is over.
func (t *tests) all(ctx context.Context, opts options, mutants []mutant) []verdict {
	verdicts := make([]verdict, len(mutants))
	end := time.Now().Add(opts.time)
	var group errgroup.Group
	group.SetLimit(max(1, opts.workers))
	for _, i := range rand.New(rand.NewPCG(opts.seed, 0)).Perm(len(mutants)) {
		if ctx.Err() != nil || time.Now().After(end) {
			break
		}
		group.Go(func() error {
			verdicts[i] = noticed
			if _, err := t.run(ctx, "MDSERVER_MUTANT="+strconv.Itoa(mutants[i].id)); err == nil {
				verdicts[i] = unnoticed
			}
			return nil
		})
	}
	_ = group.Wait() // no run returns an error
	return verdicts
}

// run runs the tests, with a variable in their environment, as a user who may
// not harm the machine. A run over the limit ends with all its processes.
func (t *tests) run(ctx context.Context, variable string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	temp, err := os.MkdirTemp(t.temp, "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	cmd := exec.CommandContext(ctx, t.binary, "-test.short", "-test.failfast", "-test.skip", t.skip, "-test.timeout", t.limit.String())
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "HOME="+temp, "GOTMPDIR=", "MDSERVER_SKIP_ROOT_TESTS=1", variable)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(temp, nobody, nobody); err != nil {
			return nil, err
		}
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if cmd.Process != nil {
		killErr := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what the tests left running
		if killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
			return nil, killErr
		}
	}
	return out.Bytes(), err
}
