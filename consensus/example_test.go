package consensus_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// counter is a state machine: it adds up what it is told. Query is called while Apply runs.
type counter struct{ sum atomic.Int64 }

func (c *counter) Apply(entry consensus.LogEntry) error {
	n, err := strconv.ParseInt(string(entry.Data), 10, 64)
	c.sum.Add(n) // 0 after an error
	return err
}

func (c *counter) Query(any) (any, error) { return c.sum.Load(), nil }

func (c *counter) Snapshot() (*consensus.Snapshot, error) {
	return &consensus.Snapshot{Data: strconv.AppendInt(nil, c.sum.Load(), 10)}, nil
}

func (c *counter) Restore(snapshot *consensus.Snapshot) error {
	var n int64
	_, err := fmt.Fscan(snapshot.Reader, &n)
	c.sum.Store(n)
	return err
}

func count(ctx context.Context, self consensus.PeerConfig, peers []consensus.PeerConfig, dir string, log *slog.Logger) (any, error) {
	node, err := consensus.New(
		consensus.WithNodeID(self.ID),
		consensus.WithBindAddress(self.Address, self.Port),
		consensus.WithPeers(peers), // the same on all nodes; none: a cluster of one
		consensus.WithDataDir(dir),
		consensus.WithStateMachine(&counter{}),
		consensus.WithLogger(log),
	)
	if err != nil {
		return nil, err
	}
	if err := node.Start(ctx); err != nil {
		return nil, err
	}
	defer node.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is lost if it fails
	if _, err := node.WaitForLeader(ctx); err != nil {
		return nil, err
	}
	// Elsewhere than at the leader this is a *consensus.NotLeaderError, which says where the leader is.
	if err := node.Apply(ctx, consensus.Command{Type: "add", Data: []byte("42")}); err != nil {
		return nil, err
	}
	return node.Read(ctx, nil) // whatever was confirmed to anybody before is in it
}

// A state machine, and a node that keeps it on three machines.
func Example() {
	dir, err := os.MkdirTemp("", "node")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	self := consensus.PeerConfig{ID: "n1", Address: "127.0.0.1"} // port 0: any that is free
	fmt.Println(count(context.Background(), self, nil, dir, slog.New(slog.DiscardHandler)))
	// Output: 42 <nil>
}
