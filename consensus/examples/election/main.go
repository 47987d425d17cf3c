// Command election is one node of a fleet that elects a leader among its members. Start three, each in a terminal of its own:
//
//	go run ./examples/election -id a
//	go run ./examples/election -id b
//	go run ./examples/election -id c
//
// Two of them elect a leader within a second; it then works, which here means that it counts. End it with Ctrl-C and another one
// goes on at once; kill it (kill -9) or freeze it (Ctrl-Z, then fg) and another one goes on after a moment.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/election"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "election:", err)
		os.Exit(1)
	}
}

func run() error {
	id := flag.String("id", "", "which member of the fleet this node is")
	fleet := flag.String("fleet", "a=127.0.0.1:7101,b=127.0.0.1:7102,c=127.0.0.1:7103", "the members, as ID=host:port; the same everywhere")
	votes := flag.String("votes", filepath.Join(os.TempDir(), "election-example"), "directory for the votes of the nodes")
	timeout := flag.Duration("timeout", 500*time.Millisecond, "election time-out; the same everywhere")
	flag.Parse()

	peers, err := parse(*fleet)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*votes, 0o700); err != nil {
		return err
	}
	e, err := election.New(election.Config{
		Node:            election.Node{ID: *id},
		Peers:           peers,
		ElectionTimeout: *timeout,
		VotesFile:       filepath.Join(*votes, *id),
		EnterLeader: func(ctx context.Context, t election.Transition) error {
			go work(ctx, t.Term)
			return nil
		},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return e.Run(ctx)
}

// work is what only the leader may do. It ends when the leadership does.
func work(ctx context.Context, term uint64) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for count := 1; ; count++ {
		select {
		case <-ticker.C:
			fmt.Printf("term %d: %d\n", term, count)
		case <-ctx.Done():
			fmt.Printf("term %d is over\n", term)
			return
		}
	}
}

func parse(fleet string) ([]election.Node, error) {
	var nodes []election.Node
	for member := range strings.SplitSeq(fleet, ",") {
		id, address, found := strings.Cut(member, "=")
		if !found {
			return nil, fmt.Errorf("-fleet: %q is not ID=host:port", member)
		}
		nodes = append(nodes, election.Node{ID: id, Address: address})
	}
	return nodes, nil
}
