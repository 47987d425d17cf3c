package election_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/seed-6dc909bb/s3lect/consensus/election"
)

// A fleet of one: it needs nobody's vote but its own. With more members, Peers is the same list on every node.
func Example() {
	directory, err := os.MkdirTemp("", "election")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(directory) }()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e, err := election.New(election.Config{
		Node:      election.Node{ID: "a"},
		Peers:     []election.Node{{ID: "a", Address: "127.0.0.1:17946"}},
		VotesFile: filepath.Join(directory, "votes"),
		Logger:    slog.New(slog.DiscardHandler),
		EnterLeader: func(_ context.Context, t election.Transition) error {
			fmt.Printf("%s leads in term %d\n", t.Leader.ID, t.Term)
			cancel()
			return nil
		},
		LeaveLeader: func(_ context.Context, t election.Transition) error {
			fmt.Printf("the leadership of term %d is over\n", t.Term)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := e.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// a leads in term 2
	// the leadership of term 2 is over
}
