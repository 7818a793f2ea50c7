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
	others  []pkg  // packages whose tests count too
	pick    string // those of their tests that run
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

// try runs the tests that count for a package with each defect, and prints the
// defects that they miss.
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
	temp := filepath.Join(dir, "t")
	if err := os.Mkdir(temp, 0o777); err != nil {
		return r, err
	}
	if err := os.Chmod(temp, 0o777); err != nil { // whatever the umask
		return r, err
	}
	mutants, files, err := p.mutate()
	if err != nil {
		return r, err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !opts.only.MatchString(m.String()) })
	suites, err := build(ctx, files, dir, temp, opts.suites(p))
	if err != nil {
		return r, err
	}
	for _, s := range suites {
		if err := s.reach(ctx); err != nil {
			return r, fmt.Errorf("tests of %s: %w", s.pkg.ImportPath, err)
		}
	}
	var candidates []mutant
	missed := map[int]string{}
	for _, m := range mutants {
		if slices.ContainsFunc(suites, func(s *suite) bool { return s.reached[m.id] }) {
			candidates = append(candidates, m)
			continue
		}
		missed[m.id] = "unreached"
		r.unreached++
	}
	verdicts := all(ctx, opts, suites, candidates)
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

// A suite is the compiled tests of a package.
type suite struct {
	pkg        pkg
	binary     string
	temp       string        // directory for temporary files
	skip, pick string        // what does not run, and what does
	limit      time.Duration // of one run
	reached    map[int]bool  // the defects that these tests come across
}

// suites returns the tests that count for a package: its own, which are faster, and
// then those of other packages.
func (o options) suites(p pkg) []*suite {
	var suites []*suite
	if p.tested() {
		suites = append(suites, &suite{pkg: p, skip: o.skip})
	}
	for _, other := range o.others {
		if other.ImportPath != p.ImportPath {
			suites = append(suites, &suite{pkg: other, skip: o.skip, pick: o.pick})
		}
	}
	return suites
}

// build compiles suites with files in place of those of a package.
func build(ctx context.Context, files map[string]string, dir, temp string, suites []*suite) ([]*suite, error) {
	overlay, err := writeOverlay(files, dir)
	if err != nil {
		return nil, err
	}
	for i, s := range suites {
		s.binary, s.temp = filepath.Join(dir, fmt.Sprintf("tests%d", i)), temp
		if err := s.compile(ctx, overlay); err != nil {
			return nil, err
		}
	}
	return suites, nil
}

// reach runs the tests without a defect, notes the defects that they come across,
// and sets the limit of the other runs.
func (t *suite) reach(ctx context.Context) error {
	file := filepath.Join(t.temp, "reached")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		return err
	}
	if err := os.Chmod(file, 0o666); err != nil {
		return err
	}
	t.limit = 5 * time.Minute
	start := time.Now()
	if out, err := t.run(ctx, "MDSERVER_MUTANTS_REACHED="+file); err != nil {
		return fmt.Errorf("the tests fail without a defect: %w\n%s", err, out)
	}
	t.limit = 10*time.Second + 5*time.Since(start)
	numbers, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	t.reached = map[int]bool{}
	for _, line := range strings.Fields(string(numbers)) {
		id, err := strconv.Atoi(line)
		if err != nil {
			return err
		}
		t.reached[id] = true
	}
	return nil
}

// all tries defects in random order until the time is over.
func all(ctx context.Context, opts options, suites []*suite, mutants []mutant) []verdict {
	verdicts := make([]verdict, len(mutants))
	end := time.Now().Add(opts.time)
	var group errgroup.Group
	group.SetLimit(max(1, opts.workers))
	for _, i := range rand.New(rand.NewPCG(opts.seed, 0)).Perm(len(mutants)) {
		if ctx.Err() != nil || time.Now().After(end) {
			break
		}
		group.Go(func() error {
			verdicts[i] = unnoticed
			if slices.ContainsFunc(suites, func(s *suite) bool { return s.notices(ctx, mutants[i].id) }) {
				verdicts[i] = noticed
			}
			return nil
		})
	}
	_ = group.Wait() // no run returns an error
	return verdicts
}

// notices reports whether the tests fail with a defect.
func (t *suite) notices(ctx context.Context, id int) bool {
	if !t.reached[id] {
		return false
	}
	_, err := t.run(ctx, "MDSERVER_MUTANT="+strconv.Itoa(id))
	return err != nil
}

// run runs the tests, with a variable in their environment, as a user who may
// not harm the machine. A run over the limit ends with all its processes.
func (t *suite) run(ctx context.Context, variable string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	temp, err := os.MkdirTemp(t.temp, "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	cmd := exec.CommandContext(ctx, t.binary, "-test.short", "-test.failfast", "-test.skip", t.skip, "-test.run", t.pick, "-test.timeout", t.limit.String())
	cmd.Dir = t.pkg.Dir
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
