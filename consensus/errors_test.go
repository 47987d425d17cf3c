package consensus_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
)

// calls are all methods of a node that can fail because of the state it is in.
var calls = map[string]func(ctx context.Context, n *consensus.Node) error{
	"Apply": func(ctx context.Context, n *consensus.Node) error { return n.Apply(ctx, kv.Set("k", "v")) },
	"Read": func(ctx context.Context, n *consensus.Node) error {
		_, err := n.Read(ctx, kv.Get{Key: "k"})
		return err
	},
	"AddNode":            func(ctx context.Context, n *consensus.Node) error { return n.AddNode(ctx, "n9", "n9", 1) },
	"AddNonVoter":        func(ctx context.Context, n *consensus.Node) error { return n.AddNonVoter(ctx, "n9", "n9", 1) },
	"RemoveNode":         func(ctx context.Context, n *consensus.Node) error { return n.RemoveNode(ctx, "n2") },
	"TransferLeadership": func(ctx context.Context, n *consensus.Node) error { return n.TransferLeadership(ctx, "n2") },
	"StepDown":           func(ctx context.Context, n *consensus.Node) error { return n.StepDown(ctx) },
}

func TestANodeThatDoesNotRunSaysSo(t *testing.T) {
	c := newCluster(t, "n1")
	node := c.make("n1")
	check := func(t *testing.T) {
		t.Helper()
		for name, call := range calls {
			require.ErrorIs(t, call(t.Context(), node), consensus.ErrNotStarted, name)
		}
		require.ErrorIs(t, node.Snapshot(t.Context()), consensus.ErrNotStarted)
		_, err := node.ReadStale(kv.Get{Key: "k"})
		require.ErrorIs(t, err, consensus.ErrNotStarted)
		_, err = node.WaitForLeader(t.Context())
		require.ErrorIs(t, err, consensus.ErrNotStarted)
		require.False(t, node.IsLeader())
		require.Empty(t, node.GetLeader())
		require.Zero(t, node.GetTerm())
		require.Zero(t, node.GetStats())
		require.Empty(t, node.GetClusterInfo().Nodes)
		require.Equal(t, consensus.RoleStopped, node.GetRole())
	}
	t.Run("before Start", check)
	require.ErrorIs(t, node.Stop(t.Context()), consensus.ErrNotStarted)
	require.NoError(t, node.Start(t.Context()))
	require.ErrorIs(t, node.Start(t.Context()), consensus.ErrAlreadyStarted)
	require.NoError(t, node.Stop(t.Context()))
	require.NoError(t, node.Stop(t.Context()), "a second Stop waits for the first")
	require.NoError(t, node.Err())
	t.Run("after Stop", check)
	require.ErrorIs(t, node.Start(t.Context()), consensus.ErrAlreadyStarted)
}

func TestAFollowerSaysWhoLeads(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	for _, peer := range c.peers {
		c.start(peer.ID, consensus.WithAPIAddress("http://"+peer.ID+"/api"))
	}
	leader, follower := c.leader(), c.follower()
	// The followers learn the address of the API from the log.
	require.NoError(t, leader.Apply(t.Context(), kv.Set("k", "v")))
	eventuallyHas(t, follower, "k", "v")
	for name, call := range calls {
		err := call(t.Context(), follower)
		require.ErrorIs(t, err, consensus.ErrNotLeader, name)
		require.True(t, consensus.IsNotLeaderError(err))
		require.True(t, consensus.IsRetryable(err))
		require.False(t, consensus.IsFatal(err))
		var typed *consensus.NotLeaderError
		require.ErrorAs(t, err, &typed, name)
		require.Equal(t, consensus.NotLeaderError{LeaderID: leader.ID(), LeaderAddress: leader.Address(), LeaderAPI: "http://" + leader.ID() + "/api"}, *typed)
	}
}

func TestANodeThatIsAloneKnowsNoLeader(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	node := c.start("n1")
	for name, call := range calls {
		err := call(t.Context(), node)
		require.ErrorIs(t, err, consensus.ErrNoLeader, name)
		require.True(t, consensus.IsNoLeaderError(err))
		require.True(t, consensus.IsRetryable(err))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := node.WaitForLeader(ctx)
	require.ErrorIs(t, err, consensus.ErrElectionTimeout)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, consensus.IsRetryable(err))
}

// isolate cuts a node off from all others.
func (c *cluster) isolate(id string) {
	for other := range c.nodes {
		if other != id {
			c.network.Cut(id, other)
			c.network.Cut(other, id)
		}
	}
}

func TestALeaderThatIsCutOffReadsNothingAndKnowsNoOutcome(t *testing.T) {
	c := startCluster(t, 3, consensus.WithElectionTimeoutMin(500*time.Millisecond))
	leader := c.leader()
	c.isolate(leader.ID())

	read := make(chan error, 1)
	go func() {
		_, err := leader.Read(t.Context(), kv.Get{Key: "k"})
		read <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := leader.Apply(ctx, kv.Set("k", "v"))
	require.ErrorIs(t, err, consensus.ErrUnknownOutcome)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, consensus.IsRetryable(err), "what may have happened must not be done again unasked")
	err = leader.Apply(t.Context(), kv.Set("k", "v"))
	require.ErrorIs(t, err, consensus.ErrUnknownOutcome, "leadership is lost while the command waits for a majority")
	require.True(t, consensus.IsNoQuorumError(err))

	err = <-read
	require.True(t, consensus.IsNoQuorumError(err), "%v", err)
	require.True(t, consensus.IsRetryable(err))
	require.False(t, leader.IsLeader())
}

func TestAReadThatNobodyConfirmsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, consensus.WithElectionTimeoutMin(2*time.Second))
	leader := c.leader()
	require.NoError(t, leader.Apply(t.Context(), kv.Set("k", "v")))
	c.isolate(leader.ID())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := leader.Read(ctx, kv.Get{Key: "k"})
	require.ErrorIs(t, err, consensus.ErrNoQuorum)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	answer, err := leader.ReadStale(kv.Get{Key: "k"})
	require.NoError(t, err)
	require.Equal(t, "v", valueOf(answer))
}

func TestACommandBoundToAnEarlierTermIsNeverApplied(t *testing.T) {
	c := startCluster(t, 3)
	first := c.leader()
	term := first.GetTerm()
	bound := kv.Set("k", "bound")
	bound.Term = term
	require.NoError(t, first.Apply(t.Context(), bound))
	require.NoError(t, first.StepDown(t.Context()))
	second := c.leader()
	err := second.Apply(t.Context(), bound)
	require.ErrorIs(t, err, consensus.ErrStaleTerm)
	require.False(t, consensus.IsRetryable(err))
}

func TestCommandsOverTheLimitAreRefused(t *testing.T) {
	c := startCluster(t, 1, consensus.WithMaxCommandSize(100))
	leader := c.leader()
	err := leader.Apply(t.Context(), consensus.Command{Type: "set", Data: make([]byte, 101)})
	require.ErrorIs(t, err, consensus.ErrTooLarge)
	require.ErrorContains(t, err, "101 bytes, 100 are allowed")
	err = leader.Apply(t.Context(), consensus.Command{Type: string(make([]byte, 256))})
	require.ErrorIs(t, err, consensus.ErrTooLarge)
}

func TestWhatTheMachineAnswersIsToldApartFromFailures(t *testing.T) {
	c := startCluster(t, 1)
	err := c.leader().Apply(t.Context(), consensus.Command{Type: "no such type"})
	var typed *consensus.MachineError
	require.ErrorAs(t, err, &typed)
	require.NotZero(t, typed.Index)
	require.ErrorIs(t, err, kv.ErrBadCommand)
	require.False(t, consensus.IsRetryable(err))
	require.False(t, consensus.IsFatal(err))
	_, err = c.leader().Read(t.Context(), 42)
	require.ErrorAs(t, err, &typed)
}

// brittle is a storage that fails on demand.
type brittle struct {
	storage.Storage
	broken atomic.Bool
}

var errDisk = errors.New("no space left on device")

func (b *brittle) Set(ctx context.Context, key, value []byte) error {
	if b.broken.Load() {
		return errDisk
	}
	return b.Storage.Set(ctx, key, value)
}

func (b *brittle) Batch(ctx context.Context, operations []storage.Operation) error {
	if b.broken.Load() {
		return errDisk
	}
	return b.Storage.Batch(ctx, operations)
}

func TestANodeWhoseStorageFailsStopsAndTheOthersGoOn(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	disks := map[string]*brittle{}
	for _, peer := range c.peers {
		disks[peer.ID] = &brittle{Storage: memory.New()}
		c.start(peer.ID, consensus.WithStorage(disks[peer.ID]))
	}
	leader := c.leader()
	require.NoError(t, leader.Apply(t.Context(), kv.Set("k", "before")))
	disks[leader.ID()].broken.Store(true)
	err := leader.Apply(t.Context(), kv.Set("k", "lost"))
	require.ErrorIs(t, err, consensus.ErrUnknownOutcome)
	<-leader.Done()
	require.ErrorIs(t, leader.Err(), consensus.ErrStorageUnavailable)
	require.ErrorIs(t, leader.Err(), errDisk)
	require.True(t, consensus.IsFatal(leader.Err()))
	require.ErrorIs(t, leader.Apply(t.Context(), kv.Set("k", "v")), errDisk, "the reason is told to whoever asks")

	delete(c.nodes, leader.ID())
	next := c.leader()
	require.Equal(t, "before", get(t, next, "k"))
	require.NoError(t, next.Apply(t.Context(), kv.Set("k", "after")))
}

func TestAFollowerThatCannotWriteItsTermStopsInsteadOfPanicking(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	disks := map[string]*brittle{}
	for _, peer := range c.peers {
		disks[peer.ID] = &brittle{Storage: memory.New()}
		c.start(peer.ID, consensus.WithStorage(disks[peer.ID]))
	}
	follower := c.follower()
	disks[follower.ID()].broken.Store(true)
	// A new term has to be written before anything else.
	_ = c.leader().StepDown(t.Context())
	<-follower.Done()
	require.ErrorIs(t, follower.Err(), consensus.ErrStorageUnavailable)
}

func TestAStorageThatCannotBeReadKeepsTheNodeFromStarting(t *testing.T) {
	c := newCluster(t, "n1")
	disk := memory.New()
	require.NoError(t, disk.Close())
	err := c.make("n1", consensus.WithStorage(disk)).Start(t.Context())
	require.ErrorIs(t, err, consensus.ErrStorageUnavailable)
	require.True(t, consensus.IsFatal(err))
}

func TestDataOfAnotherNodeOrClusterIsRefused(t *testing.T) {
	c := newCluster(t, "n1")
	require.NoError(t, c.start("n1").Stop(t.Context()))
	disk := c.disks["n1"]
	for name, option := range map[string]consensus.Option{
		"another cluster": consensus.WithClusterID("other"),
		"another node":    consensus.WithNodeID("n2"),
	} {
		t.Run(name, func(t *testing.T) {
			disk = disk.Reopen()
			err := c.make("n1", option, consensus.WithPeers(nil), consensus.WithStorage(disk)).Start(t.Context())
			require.ErrorIs(t, err, consensus.ErrForeignState)
			require.ErrorContains(t, err, "n1")
			require.True(t, consensus.IsFatal(err))
		})
	}
}

// stored returns the keys of a storage, in their order.
func stored(t *testing.T, s storage.Storage) [][]byte {
	t.Helper()
	pairs, err := s.GetRange(t.Context(), storage.Range{KeysOnly: true})
	require.NoError(t, err)
	var keys [][]byte
	for _, pair := range pairs {
		keys = append(keys, pair.Key)
	}
	return keys
}

// entryKey returns the key of an entry of a log that begins with the entry 1.
func entryKey(t *testing.T, s storage.Storage, index int) []byte {
	t.Helper()
	var log [][]byte
	for _, key := range stored(t, s) {
		if key[0] == 'l' {
			log = append(log, key)
		}
	}
	require.Greater(t, len(log), index)
	return log[index-1]
}

func TestADamagedLogIsNamedAndLeftAsItIs(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, s storage.Storage, key []byte){
		"a changed byte": func(t *testing.T, s storage.Storage, key []byte) {
			t.Helper()
			value, err := s.Get(t.Context(), key)
			require.NoError(t, err)
			value[len(value)-1] ^= 1
			require.NoError(t, s.Set(t.Context(), key, value))
		},
		"a lost entry": func(t *testing.T, s storage.Storage, key []byte) {
			t.Helper()
			require.NoError(t, s.Delete(t.Context(), key))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			node := c.start("n1")
			require.Same(t, node, c.leader())
			for i := range 20 {
				require.NoError(t, node.Apply(t.Context(), kv.Set("k", fmt.Sprint(i))))
			}
			require.NoError(t, node.Stop(t.Context()))
			disk := c.disks["n1"].Reopen()
			damage(t, disk, entryKey(t, disk, 10))
			before := stored(t, disk)
			err := c.make("n1", consensus.WithStorage(disk)).Start(t.Context())
			require.ErrorIs(t, err, consensus.ErrLogInconsistent)
			require.ErrorContains(t, err, "10", "the entry is named")
			require.True(t, consensus.IsFatal(err))
			require.Equal(t, before, stored(t, disk.Reopen()), "nothing is removed or added")
		})
	}
}

func TestEverySentinelIsOnOneSideOfEachHelper(t *testing.T) {
	for _, test := range []struct {
		err              error
		retryable, fatal bool
	}{
		{consensus.ErrNotLeader, true, false},
		{consensus.ErrNoLeader, true, false},
		{consensus.ErrNotStarted, false, false},
		{consensus.ErrAlreadyStarted, false, false},
		{consensus.ErrNoQuorum, true, false},
		{consensus.ErrElectionTimeout, true, false},
		{consensus.ErrSnapshotFailed, false, false},
		{consensus.ErrLogInconsistent, false, true},
		{consensus.ErrStaleTerm, false, false},
		{consensus.ErrNodeNotFound, false, false},
		{consensus.ErrPeerExists, false, false},
		{consensus.ErrInsufficientPeers, false, false},
		{consensus.ErrStorageUnavailable, false, true},
		{consensus.ErrUnknownOutcome, false, false},
		{consensus.ErrForeignState, false, true},
		{consensus.ErrMachineFailed, false, true},
		{consensus.ErrTooLarge, false, false},
		{consensus.ErrConfig, false, false},
		{&consensus.UnknownOutcomeError{Err: consensus.ErrNoQuorum}, false, false},
		{&consensus.MachineError{Err: consensus.ErrNoLeader}, false, false},
		{&consensus.MachineError{Err: consensus.ErrStorageUnavailable}, false, false},
		{nil, false, false},
	} {
		wrapped := test.err
		if wrapped != nil {
			wrapped = fmt.Errorf("wrapped: %w", test.err)
		}
		require.Equal(t, test.retryable, consensus.IsRetryable(wrapped), "%v", test.err)
		require.Equal(t, test.fatal, consensus.IsFatal(wrapped), "%v", test.err)
	}
}

// unreadable is a storage that cannot read what it has written, on demand.
type unreadable struct {
	storage.Storage
	broken atomic.Bool
}

func (u *unreadable) Get(ctx context.Context, key []byte) ([]byte, error) {
	if u.broken.Load() {
		return nil, errDisk
	}
	return u.Storage.Get(ctx, key)
}

func (u *unreadable) GetRange(ctx context.Context, r storage.Range) ([]storage.Pair, error) {
	if u.broken.Load() {
		return nil, errDisk
	}
	return u.Storage.GetRange(ctx, r)
}

// More entries than the engine keeps in memory are written while a follower is away, so that the leader has to read.
func TestALeaderThatCannotReadItsLogStops(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	disks := map[string]*unreadable{}
	for _, peer := range c.peers {
		disks[peer.ID] = &unreadable{Storage: memory.New()}
		c.start(peer.ID, consensus.WithStorage(disks[peer.ID]))
	}
	leader, away := c.leader(), c.follower()
	c.isolate(away.ID())
	for range 1000 {
		require.NoError(t, leader.Apply(t.Context(), kv.Set("k", "v")))
	}
	disks[leader.ID()].broken.Store(true)
	c.network.HealAll()
	<-leader.Done()
	require.ErrorIs(t, leader.Err(), consensus.ErrStorageUnavailable)
	require.ErrorIs(t, leader.Err(), errDisk)
}
