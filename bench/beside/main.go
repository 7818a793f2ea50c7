// Beside measures mdserver beside a bare net/http handler that gives the same
// answers: each is a process of its own, and so is the client. They answer in
// turns, round by round, since a machine's speed drifts by more than what is to
// be measured.
//
//	go run ./bench/beside -mdserver bin/mdserver
//
// Throughput is that of the whole machine, client included; CPU is the server's
// alone, for one request. Each figure is the median of all rounds, and for
// ratios the middle half is told, too.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// bareRole is the first argument of the process that is the bare server.
const bareRole = "bare"

func main() {
	if len(os.Args) > 1 && os.Args[1] == bareRole {
		exit(serveBare(os.Stdin))
	}
	program := flag.String("mdserver", "bin/mdserver", "the server to measure")
	against := flag.String("against", "", "another mdserver, such as an earlier one, to measure in place of the bare handler")
	rounds := flag.Int("rounds", 21, "how often each is measured")
	attack := flag.Bool("attack", false, "measure a boot while another guest attacks, instead")
	render := flag.Bool("render", false, "measure a guest's requests while another guest's template fails, instead")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch {
	case *attack:
		exit(underAttack(ctx, *program, *rounds))
	case *render:
		exit(whileRendering(ctx, *program, *rounds))
	}
	exit(throughput(ctx, *program, *against, *rounds))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "beside:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
