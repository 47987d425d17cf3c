package consensus_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/static"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

func TestThreeNodesElectALeaderAndApplyCommands(t *testing.T) {
	c := startCluster(t, 3)
	leader := c.leader()
	require.NoError(t, leader.Apply(t.Context(), kv.Set("colour", "blue")))
	require.Equal(t, "blue", get(t, leader, "colour"))
	for _, node := range c.nodes {
		eventuallyHas(t, node, "colour", "blue")
	}
}

func TestLeadershipIsHandedToTheNodeThatWasNamed(t *testing.T) {
	c := startCluster(t, 3)
	for range 5 {
		target := c.follower()
		require.NoError(t, c.leader().TransferLeadership(t.Context(), target.ID()))
		require.Equal(t, target.ID(), c.leader().ID())
	}
}

// A node that has just been started gives no votes for a moment, and does not stand for election.
func TestLeadershipIsHandedOnWhileAnotherNodeHasJustBeenStarted(t *testing.T) {
	c := startCluster(t, 3, consensus.WithElectionTimeoutMin(300*time.Millisecond))
	for _, named := range []bool{false, true} {
		restarted := c.follower().ID()
		require.NoError(t, c.nodes[restarted].Stop(t.Context()))
		c.start(restarted, consensus.WithElectionTimeoutMin(300*time.Millisecond))
		leader := c.leader()
		if named {
			require.NoError(t, leader.TransferLeadership(t.Context(), restarted))
			require.Equal(t, restarted, c.leader().ID())
			continue
		}
		require.NoError(t, leader.StepDown(t.Context()))
		require.NotEqual(t, leader.ID(), c.leader().ID())
	}
}

// silent is a list that cannot be reached.
type silent struct{ *static.Discovery }

func (s silent) Start(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestStopEndsAStartThatHangs(t *testing.T) {
	list, err := static.New()
	require.NoError(t, err)
	c := newCluster(t, "n1")
	node := c.make("n1", consensus.WithDiscovery(silent{list}))
	started := make(chan error, 1)
	go func() { started <- node.Start(t.Context()) }()
	for errors.Is(node.Stop(t.Context()), consensus.ErrNotStarted) { // Start has not begun yet
		runtime.Gosched()
	}
	require.ErrorIs(t, <-started, context.Canceled)
	<-node.Done()
}

func TestWritesGoOnAfterTheLeaderHasStopped(t *testing.T) {
	c := startCluster(t, 3)
	old := c.leader()
	require.NoError(t, old.Apply(t.Context(), kv.Set("a", "1")))
	require.NoError(t, old.Stop(t.Context()))
	next := c.leader()
	require.NotEqual(t, old.ID(), next.ID())
	require.NoError(t, next.Apply(t.Context(), kv.Set("b", "2")))
	require.Equal(t, "1", get(t, next, "a"))
	eventuallyHas(t, c.start(old.ID()), "b", "2")
}

func TestANodeKeepsItsDataInADirectoryOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	start := func() *consensus.Node {
		node, err := consensus.New(
			consensus.WithNodeID("n1"),
			consensus.WithStateMachine(kv.New()),
			consensus.WithDataDir(dir),
			consensus.WithElectionTimeoutMin(50*time.Millisecond),
			consensus.WithLogger(quiet()),
		)
		require.NoError(t, err)
		require.NoError(t, node.Start(t.Context()))
		require.Eventually(t, node.IsLeader, 10*time.Second, time.Millisecond)
		return node
	}
	node := start()
	require.NoError(t, node.Apply(t.Context(), kv.Set("k", "v")))
	require.NoError(t, node.Snapshot(t.Context()))
	require.NoError(t, node.Apply(t.Context(), kv.Set("k", "w")))
	second, err := consensus.New(consensus.WithNodeID("n1"), consensus.WithStateMachine(kv.New()), consensus.WithDataDir(dir), consensus.WithLogger(quiet()))
	require.NoError(t, err)
	err = second.Start(t.Context())
	require.ErrorIs(t, err, consensus.ErrStorageUnavailable, "two nodes must not use the same directory")
	require.ErrorContains(t, err, dir)
	require.NoError(t, node.Stop(t.Context()))

	node = start()
	require.Equal(t, "w", get(t, node, "k"))
	require.NoError(t, node.Stop(t.Context()))
}

func TestAnAddressThatCannotBeBoundIsNamed(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	c.peers = nil
	c.start("n1")
	c.start("n2", consensus.WithTransport(nil), consensus.WithBindAddress("127.0.0.1", 0), consensus.WithJoin())
	host, port, err := net.SplitHostPort(c.nodes["n2"].Address())
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	err = c.make("n3", consensus.WithTransport(nil), consensus.WithBindAddress(host, number), consensus.WithJoin()).Start(t.Context())
	require.ErrorContains(t, err, c.nodes["n2"].Address())
	require.ErrorContains(t, err, "address already in use")
}
