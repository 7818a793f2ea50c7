// Command mutants measures how many planted defects the tests of a package
// notice:
//
//	go run ./test/mutants [-time 10m] [-run regexp] ./internal/presence ...
//	go run ./test/mutants -tests ./internal/cli -pick 'TestScripts/^store' ./internal/cli/store
//
// All defects of a package are compiled into one test binary, each behind a
// switch. With -tests, the test binaries of other packages get them too. The tests
// run once without a defect, which shows the defects that they reach, and then once
// for each reached defect. A defect is noticed if the tests fail or take too long.
// The others are listed: each needs a test, or does not change what the program does.
//
// Tests run as an ordinary user: a defect may remove what a test never does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	opts := options{}
	flag.DurationVar(&opts.time, "time", 10*time.Minute, "time for each package; what is left is not tried")
	flag.Uint64Var(&opts.seed, "seed", 1, "order in which defects are tried")
	flag.IntVar(&opts.workers, "j", runtime.NumCPU(), "test runs at the same time")
	flag.StringVar(&opts.skip, "skip", "", "skip `tests`, such as those that count allocations: a switch allocates")
	flag.StringVar(&opts.pick, "pick", "", "of the packages of -tests, run only these `tests`")
	others := flag.String("tests", "", "count the tests of these `packages` too, such as the scripts of ./internal/cli")
	only := flag.String("run", "", "try only defects whose `file:line:column: text` matches")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./test/mutants [flags] package...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	var err error
	if opts.only, err = regexp.Compile(*only); err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		err = measure(ctx, opts, strings.Fields(*others), flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// measure prints the defects of each package that its tests and those of others do
// not notice, and then a table of all packages.
func measure(ctx context.Context, opts options, others, patterns []string) error {
	if len(others) > 0 {
		var err error
		if opts.others, err = list(ctx, others); err != nil {
			return err
		}
	}
	packages, err := list(ctx, patterns)
	if err != nil {
		return err
	}
	var table []result
	for _, p := range packages {
		r, err := try(ctx, opts, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.ImportPath, err)
		}
		table = append(table, r)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "tried\tnoticed\tmissed\tunreached\tnot tried\tpercent\t package")
	for _, r := range table {
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%.0f\t %s\n", r.tried(), r.noticed, r.missed, r.unreached, r.left, r.percent(), r.name)
	}
	return w.Flush()
}
