package consensus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
)

// scripted is a machine whose methods do what a test wants.
type scripted struct {
	apply    func(consensus.LogEntry) error
	snapshot func() (*consensus.Snapshot, error)
	restore  func(*consensus.Snapshot) error
	query    func(any) (any, error)
}

func (s scripted) Apply(e consensus.LogEntry) error {
	if s.apply == nil {
		return nil
	}
	return s.apply(e)
}

func (s scripted) Snapshot() (*consensus.Snapshot, error) {
	if s.snapshot == nil {
		return &consensus.Snapshot{Data: []byte{}}, nil
	}
	return s.snapshot()
}

func (s scripted) Restore(snapshot *consensus.Snapshot) error {
	if s.restore == nil {
		return nil
	}
	return s.restore(snapshot)
}

func (s scripted) Query(q any) (any, error) {
	if s.query == nil {
		return nil, nil
	}
	return s.query(q)
}

func TestAMachineThatPanicsStopsItsNodeAlone(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	fragile := scripted{apply: func(e consensus.LogEntry) error {
		if e.Type == "boom" {
			panic("the machine is broken")
		}
		return nil
	}}
	c.start("n1", consensus.WithStateMachine(fragile))
	c.start("n2")
	c.start("n3")
	if c.leader().ID() != "n1" {
		require.NoError(t, c.leader().TransferLeadership(t.Context(), "n1"))
	}
	leader := c.leader()
	err := leader.Apply(t.Context(), consensus.Command{Type: "boom"})
	require.ErrorIs(t, err, consensus.ErrUnknownOutcome, "the command is committed, and what it answers is not known")
	require.ErrorIs(t, err, consensus.ErrMachineFailed)
	<-leader.Done()
	require.ErrorIs(t, leader.Err(), consensus.ErrMachineFailed)
	require.ErrorContains(t, leader.Err(), "the machine is broken")
	require.ErrorContains(t, leader.Err(), "boom")
	require.True(t, consensus.IsFatal(leader.Err()))
	delete(c.nodes, "n1")
	require.NoError(t, c.leader().Apply(t.Context(), kv.Set("k", "v")))
}

func TestAPanicOfAQueryIsAnAnswer(t *testing.T) {
	c := newCluster(t, "n1")
	c.start("n1", consensus.WithStateMachine(scripted{query: func(any) (any, error) { panic("no such query") }}))
	_, err := c.leader().Read(t.Context(), "q")
	require.ErrorContains(t, err, "no such query")
	require.ErrorIs(t, err, consensus.ErrMachineFailed)
	require.False(t, consensus.IsFatal(err))
	require.NoError(t, c.leader().Apply(t.Context(), consensus.Command{Type: "x"}))
}

func TestASnapshotThatFailsIsSaidAndHarmsNothing(t *testing.T) {
	for name, snapshot := range map[string]func() (*consensus.Snapshot, error){
		"capture fails": func() (*consensus.Snapshot, error) { return nil, errors.New("cannot be captured") },
		"write fails": func() (*consensus.Snapshot, error) {
			return &consensus.Snapshot{WriteTo: func(io.Writer) error { return errors.New("cannot be captured") }}, nil
		},
		"write panics": func() (*consensus.Snapshot, error) {
			return &consensus.Snapshot{WriteTo: func(io.Writer) error { panic("cannot be captured") }}, nil
		},
		"nothing": func() (*consensus.Snapshot, error) { return &consensus.Snapshot{}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			node := c.start("n1", consensus.WithStateMachine(scripted{snapshot: snapshot}))
			require.NoError(t, c.leader().Apply(t.Context(), consensus.Command{Type: "x"}))
			err := node.Snapshot(t.Context())
			require.ErrorIs(t, err, consensus.ErrSnapshotFailed)
			if name != "nothing" {
				require.ErrorContains(t, err, "cannot be captured")
			}
			require.NoError(t, node.Apply(t.Context(), consensus.Command{Type: "x"}))
			require.Zero(t, node.GetStats().SnapshotIndex)
		})
	}
}

func TestASnapshotIsReleasedWhetherItIsWrittenOrNot(t *testing.T) {
	for name, result := range map[string]error{"written": nil, "failed": errors.New("disk")} {
		t.Run(name, func(t *testing.T) {
			released := make(chan struct{})
			c := newCluster(t, "n1")
			node := c.start("n1", consensus.WithStateMachine(scripted{snapshot: func() (*consensus.Snapshot, error) {
				return &consensus.Snapshot{WriteTo: func(io.Writer) error { return result }, Release: func() { close(released) }}, nil
			}}))
			require.NoError(t, c.leader().Apply(t.Context(), consensus.Command{Type: "x"}))
			_ = node.Snapshot(t.Context())
			<-released
		})
	}
}

func TestASnapshotShortensTheLogAndIsWhatANodeStartsFrom(t *testing.T) {
	c := newCluster(t, "n1")
	node := c.start("n1", consensus.WithTrailingLogs(1))
	c.leader()
	for i := range 100 {
		require.NoError(t, node.Apply(t.Context(), kv.Set(fmt.Sprint("key", i), "v")))
	}
	before := node.GetStats()
	require.NoError(t, node.Snapshot(t.Context()))
	after := node.GetStats()
	require.Less(t, after.LogSize, before.LogSize)
	require.LessOrEqual(t, after.LogSize, uint64(2))
	require.Equal(t, after.LastApplied, after.SnapshotIndex)
	require.NoError(t, node.Snapshot(t.Context()), "without anything new there is nothing to do")
	require.NoError(t, node.Stop(t.Context()))

	restarted := c.start("n1")
	require.Equal(t, after.LastApplied, restarted.GetStats().LastApplied, "the snapshot is applied before Start returns")
	c.leader()
	require.Equal(t, "v", get(t, restarted, "key99"))
}

func TestSnapshotsAreTakenByThemselvesByNumberOfEntries(t *testing.T) {
	c := newCluster(t, "n1")
	node := c.start("n1", consensus.WithSnapshotThreshold(10), consensus.WithSnapshotInterval(5*time.Millisecond), consensus.WithTrailingLogs(1))
	c.leader()
	for range 30 {
		require.NoError(t, node.Apply(t.Context(), kv.Set("k", "v")))
	}
	require.Eventually(t, func() bool { return node.GetStats().SnapshotIndex > 0 }, 5*time.Second, time.Millisecond)
}

func TestAMachineGetsItsDataBackAsItGaveThem(t *testing.T) {
	for name, given := range map[string]*consensus.Snapshot{
		"as data":   {Data: []byte("the state\nof it all")},
		"as stream": {WriteTo: func(w io.Writer) error { _, err := io.WriteString(w, "the state\nof it all"); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			node := c.start("n1", consensus.WithStateMachine(scripted{snapshot: func() (*consensus.Snapshot, error) { return given, nil }}))
			result, err := c.leader().ApplyResult(t.Context(), consensus.Command{Type: "x"})
			require.NoError(t, err)
			require.NoError(t, node.Snapshot(t.Context()))
			require.NoError(t, node.Stop(t.Context()))
			restored := make(chan struct{})
			c.start("n1", consensus.WithStateMachine(scripted{restore: func(s *consensus.Snapshot) error {
				defer close(restored)
				state := s.Data
				if given.Data == nil {
					require.Nil(t, s.Data)
					var err error
					state, err = io.ReadAll(s.Reader)
					require.NoError(t, err)
				}
				require.Equal(t, "the state\nof it all", string(state))
				require.Equal(t, result.Index, s.Index)
				require.Equal(t, result.Term, s.Term)
				return nil
			}}))
			<-restored
		})
	}
}

func TestASnapshotThatCannotBeRestoredKeepsTheNodeFromStarting(t *testing.T) {
	for name, restore := range map[string]func(*consensus.Snapshot) error{
		"error": func(*consensus.Snapshot) error { return errors.New("state is of version 9") },
		"panic": func(*consensus.Snapshot) error { panic("state is of version 9") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "n1")
			node := c.start("n1", consensus.WithStateMachine(scripted{}))
			require.NoError(t, c.leader().Apply(t.Context(), consensus.Command{Type: "x"}))
			require.NoError(t, node.Snapshot(t.Context()))
			require.NoError(t, node.Stop(t.Context()))
			err := c.make("n1", consensus.WithStateMachine(scripted{restore: restore})).Start(t.Context())
			require.ErrorIs(t, err, consensus.ErrSnapshotFailed)
			require.ErrorContains(t, err, "state is of version 9")
			require.True(t, consensus.IsFatal(err))
		})
	}
}

func TestADamagedSnapshotIsNamedAndNoOlderOneIsTaken(t *testing.T) {
	c := newCluster(t, "n1")
	node := c.start("n1")
	c.leader()
	for i := range 2 {
		require.NoError(t, node.Apply(t.Context(), kv.Set("k", fmt.Sprint(i))))
		require.NoError(t, node.Snapshot(t.Context()))
	}
	require.NoError(t, node.Stop(t.Context()))
	disk := c.disks["n1"].Reopen()
	var newest []byte
	for _, key := range stored(t, disk) {
		if key[0] == 'c' {
			newest = key
		}
	}
	value, err := disk.Get(t.Context(), newest)
	require.NoError(t, err)
	value = bytes.Clone(value)
	value[len(value)/2] ^= 1
	require.NoError(t, disk.Set(t.Context(), newest, value))
	err = c.make("n1", consensus.WithStorage(disk)).Start(t.Context())
	require.ErrorIs(t, err, consensus.ErrSnapshotFailed)
	require.ErrorContains(t, err, "damaged")
	require.True(t, consensus.IsFatal(err))
}

func TestANewNodeCatchesUpFromTheSnapshot(t *testing.T) {
	c := startCluster(t, 3, consensus.WithTrailingLogs(1))
	leader := c.leader()
	for i := range 100 {
		require.NoError(t, leader.Apply(t.Context(), kv.Set(fmt.Sprint("key", i), "v")))
	}
	require.NoError(t, leader.Snapshot(t.Context()))
	fourth := c.start("n4", consensus.WithPeers(nil), consensus.WithJoin())
	require.NoError(t, leader.AddNode(t.Context(), "n4", "n4", testPort))
	eventuallyHas(t, fourth, "key99", "v")
	require.NotZero(t, fourth.GetStats().SnapshotIndex)
}

func TestEveryNodeAppliesTheSameEntriesInTheSameOrder(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	var mu sync.Mutex
	applied := map[string][]consensus.LogEntry{}
	for _, peer := range c.peers {
		c.start(peer.ID, consensus.WithStateMachine(scripted{apply: func(e consensus.LogEntry) error {
			mu.Lock()
			defer mu.Unlock()
			e.Data = bytes.Clone(e.Data)
			applied[peer.ID] = append(applied[peer.ID], e)
			return nil
		}}))
	}
	leader := c.leader()
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for i := range 25 {
				if err := leader.Apply(t.Context(), consensus.Command{Type: "x", Data: fmt.Appendf(nil, "%d-%d", client, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(applied["n1"]) == 200 && len(applied["n2"]) == 200 && len(applied["n3"]) == 200
	}, 10*time.Second, time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, applied["n1"], applied["n2"])
	require.Equal(t, applied["n1"], applied["n3"])
}

func TestAResultMachineAnswersThroughTheLeader(t *testing.T) {
	c := newCluster(t, "n1")
	c.start("n1", consensus.WithStateMachine(kv.New()), consensus.WithStorage(memory.New()))
	leader := c.leader()
	result, err := leader.ApplyResult(t.Context(), kv.Set("k", "v"))
	require.NoError(t, err)
	require.Equal(t, leader.GetTerm(), result.Term)
	require.Equal(t, leader.GetStats().LastApplied, result.Index)
	require.IsType(t, kv.Answer{}, result.Value)
}

func TestAnApplyWhoseContextHasEndedDoesNothing(t *testing.T) {
	c := startCluster(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := c.leader().Apply(ctx, kv.Set("k", "v"))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, consensus.ErrUnknownOutcome)
	require.Empty(t, get(t, c.leader(), "k"))
}
