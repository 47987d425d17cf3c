package consensus_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
	transportmemory "github.com/seed-6dc909bb/s3lect/consensus/transport/memory"
)

// cluster is a few nodes on one in-process network, each with a disk that outlives it.
type cluster struct {
	t       *testing.T
	network *transportmemory.Network
	nodes   map[string]*consensus.Node
	disks   map[string]*memory.Storage
	peers   []consensus.PeerConfig
}

const testPort = 7000

func newCluster(t *testing.T, ids ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, network: transportmemory.NewNetwork(), nodes: map[string]*consensus.Node{}, disks: map[string]*memory.Storage{}}
	for _, id := range ids {
		c.peers = append(c.peers, consensus.PeerConfig{ID: id, Address: id, Port: testPort})
	}
	return c
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// make makes a node; options come after the ordinary ones.
func (c *cluster) make(id string, options ...consensus.Option) *consensus.Node {
	c.t.Helper()
	disk := c.disks[id]
	if disk == nil {
		disk = memory.New()
	} else {
		disk = disk.Reopen()
	}
	c.disks[id] = disk
	node, err := consensus.New(append([]consensus.Option{
		consensus.WithNodeID(id),
		consensus.WithBindAddress(id, testPort),
		consensus.WithPeers(c.peers),
		consensus.WithStateMachine(kv.New()),
		consensus.WithStorage(disk),
		consensus.WithTransport(c.network.Transport()),
		consensus.WithElectionTimeoutMin(100 * time.Millisecond),
		consensus.WithLogger(quiet()),
	}, options...)...)
	require.NoError(c.t, err)
	return node
}

func (c *cluster) start(id string, options ...consensus.Option) *consensus.Node {
	c.t.Helper()
	node := c.make(id, options...)
	require.NoError(c.t, node.Start(c.t.Context()))
	c.nodes[id] = node
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = node.Stop(ctx)
	})
	return node
}

func startCluster(t *testing.T, size int, options ...consensus.Option) *cluster {
	t.Helper()
	var ids []string
	for i := range size {
		ids = append(ids, fmt.Sprintf("n%d", i+1))
	}
	c := newCluster(t, ids...)
	for _, id := range ids {
		c.start(id, options...)
	}
	return c
}

// leader waits until a node leads and all others know.
func (c *cluster) leader() *consensus.Node {
	c.t.Helper()
	var leader *consensus.Node
	require.Eventually(c.t, func() bool {
		for _, node := range c.nodes {
			if node.IsLeader() {
				leader = node
				return true
			}
		}
		return false
	}, 10*time.Second, time.Millisecond, "nobody leads")
	for _, node := range c.nodes {
		require.Eventually(c.t, func() bool {
			return node.GetRole() == consensus.RoleStopped || node.GetLeader() == leader.ID()
		}, 10*time.Second, time.Millisecond, "%s does not know that %s leads", node.ID(), leader.ID())
	}
	return leader
}

func (c *cluster) follower() *consensus.Node {
	c.t.Helper()
	leader := c.leader()
	for _, node := range c.nodes {
		if node != leader && node.GetRole() == consensus.RoleFollower {
			return node
		}
	}
	c.t.Fatal("no follower")
	return nil
}

func get(t *testing.T, node *consensus.Node, key string) string {
	t.Helper()
	answer, err := node.Read(t.Context(), kv.Get{Key: key})
	require.NoError(t, err)
	require.IsType(t, kv.Answer{}, answer)
	return valueOf(answer)
}

// valueOf is the value in what a machine of this package's tests has answered.
func valueOf(answer any) string {
	value, _ := answer.(kv.Answer) // what is no answer has no value
	return value.Value
}

// eventuallyHas waits until a node's own machine has a value.
func eventuallyHas(t *testing.T, node *consensus.Node, key, value string) {
	t.Helper()
	require.Eventually(t, func() bool {
		answer, err := node.ReadStale(kv.Get{Key: key})
		return err == nil && valueOf(answer) == value
	}, 10*time.Second, time.Millisecond, "%s does not have %s=%s", node.ID(), key, value)
}
