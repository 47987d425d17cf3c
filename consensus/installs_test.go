package consensus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
)

// A node with uncommitted entries of an old leader gets a snapshot that lies behind them, is elected, and a follower
// asks for entries from the beginning.
func TestALeaderSendsNothingOfALogThatASnapshotHasReplaced(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	c.start("n3")
	old, next := speakFor(t, c, "n1"), speakFor(t, c, "n2")
	var answer raft.AppendEntriesResponse
	stale := []*raft.Log{}
	for i := uint64(2); i < 101; i++ {
		stale = append(stale, command(i, 5, "stale"))
	}
	require.NoError(t, old.AppendEntries("n3", "n3:7000", &raft.AppendEntriesRequest{
		RPCHeader: headerOf("n1"), Term: 5, PrevLogEntry: 1, PrevLogTerm: 1, LeaderCommitIndex: 1, Entries: stale,
	}, &answer))
	require.True(t, answer.Success)

	data := snapshotBytes(t)
	var installed raft.InstallSnapshotResponse
	require.NoError(t, next.InstallSnapshot("n3", "n3:7000", &raft.InstallSnapshotRequest{
		RPCHeader: headerOf("n2"), SnapshotVersion: 1, Term: 6, LastLogIndex: 200, LastLogTerm: 6,
		Configuration: threeMembers(), ConfigurationIndex: 1, Size: int64(data.Len()),
	}, &installed, data))
	require.True(t, installed.Success)

	// n1 votes for n3, and says that its log ends with entry 30.
	for deadline := time.After(20 * time.Second); ; {
		var rpc raft.RPC
		select {
		case rpc = <-old.Consumer():
		case <-deadline:
			t.Fatal("the leader sends neither a snapshot nor entries")
		}
		switch r := rpc.Command.(type) {
		case *raft.RequestPreVoteRequest:
			rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: headerOf("n1"), Term: r.Term, Granted: true}, nil)
		case *raft.RequestVoteRequest:
			rpc.Respond(&raft.RequestVoteResponse{RPCHeader: headerOf("n1"), Term: r.Term, Granted: true}, nil)
		case *raft.AppendEntriesRequest:
			for _, entry := range r.Entries {
				require.NotEqualValues(t, 5, entry.Term, "entry %d, which was never committed, is sent as one of the log (leader commit %d)", entry.Index, r.LeaderCommitIndex)
			}
			heartbeat := r.PrevLogEntry == 0 && len(r.Entries) == 0
			rpc.Respond(&raft.AppendEntriesResponse{
				RPCHeader: headerOf("n1"), Term: r.Term, LastLog: 30, Success: heartbeat || r.PrevLogEntry == 30, NoRetryBackoff: true,
			}, nil)
		case *raft.InstallSnapshotRequest:
			return
		}
	}
}

func snapshotBytes(t *testing.T) *bytes.Buffer {
	t.Helper()
	var data bytes.Buffer
	data.WriteString(`{"format":"s3lect-consensus-1","clusterID":"default","inMemory":false}` + "\n")
	s, err := kv.New().Snapshot()
	require.NoError(t, err)
	require.NoError(t, s.WriteTo(&data))
	return &data
}

func threeMembers() []byte {
	members := raft.Configuration{}
	for _, id := range []string{"n1", "n2", "n3"} {
		members.Servers = append(members.Servers, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(id + ":7000")})
	}
	return raft.EncodeConfiguration(members)
}

// The log goes on behind the snapshot that contradicts it. The node takes the leader's entries behind the snapshot, and
// starts again from what it has kept.
func TestALogThatContradictsASnapshotEndsWithIt(t *testing.T) {
	for _, trailing := range []uint64{0, 10240} {
		c := newCluster(t, "n1", "n2", "n3")
		n3 := c.start("n3", consensus.WithElectionTimeoutMin(5*time.Second), consensus.WithTrailingLogs(trailing))
		old, next := speakFor(t, c, "n1"), speakFor(t, c, "n2")
		var answer raft.AppendEntriesResponse
		stale := []*raft.Log{}
		for i := uint64(2); i < 101; i++ {
			stale = append(stale, command(i, 5, "stale"))
		}
		require.NoError(t, old.AppendEntries("n3", "n3:7000", &raft.AppendEntriesRequest{
			RPCHeader: headerOf("n1"), Term: 5, PrevLogEntry: 1, PrevLogTerm: 1, LeaderCommitIndex: 1, Entries: stale,
		}, &answer))
		require.True(t, answer.Success)
		data := snapshotBytes(t)
		var installed raft.InstallSnapshotResponse
		require.NoError(t, next.InstallSnapshot("n3", "n3:7000", &raft.InstallSnapshotRequest{
			RPCHeader: headerOf("n2"), SnapshotVersion: 1, Term: 6, LastLogIndex: 50, LastLogTerm: 3,
			Configuration: threeMembers(), ConfigurationIndex: 1, Size: int64(data.Len()),
		}, &installed, data))
		require.True(t, installed.Success)
		require.NoError(t, next.AppendEntries("n3", "n3:7000", &raft.AppendEntriesRequest{
			RPCHeader: headerOf("n2"), Term: 6, PrevLogEntry: 50, PrevLogTerm: 3, LeaderCommitIndex: 51,
			Entries: []*raft.Log{command(51, 6, "good")},
		}, &answer))
		require.True(t, answer.Success)
		eventuallyHas(t, n3, "k", "good")
		// The engine counts an entry a moment after the machine has it.
		require.Eventually(t, func() bool { return n3.GetStats().LastApplied == 51 }, 10*time.Second, time.Millisecond)
		require.NoError(t, n3.Stop(t.Context()))
		n3 = c.start("n3", consensus.WithElectionTimeoutMin(5*time.Second))
		require.NoError(t, next.AppendEntries("n3", "n3:7000", &raft.AppendEntriesRequest{
			RPCHeader: headerOf("n2"), Term: 6, PrevLogEntry: 51, PrevLogTerm: 6, LeaderCommitIndex: 52,
			Entries: []*raft.Log{command(52, 6, "better")},
		}, &answer))
		require.True(t, answer.Success)
		eventuallyHas(t, n3, "k", "better")
		require.NoError(t, n3.Stop(t.Context()))
		_ = old.Close()
		_ = next.Close()
	}
}

func TestASnapshotOfWhatTheNodeHasLongAppliedChangesNothing(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	n3 := c.start("n3", consensus.WithElectionTimeoutMin(5*time.Second))
	leader := speakFor(t, c, "n1")
	var entries []*raft.Log
	for i := uint64(2); i <= 30; i++ {
		entries = append(entries, command(i, 5, fmt.Sprint("value ", i)))
	}
	var answer raft.AppendEntriesResponse
	require.NoError(t, leader.AppendEntries("n3", "n3:7000", &raft.AppendEntriesRequest{
		RPCHeader: headerOf("n1"), Term: 5, PrevLogEntry: 1, PrevLogTerm: 1, LeaderCommitIndex: 30, Entries: entries,
	}, &answer))
	require.True(t, answer.Success)
	eventuallyHas(t, n3, "k", "value 30")

	late := snapshotBytes(t) // of a machine with nothing in it
	var installed raft.InstallSnapshotResponse
	require.NoError(t, leader.InstallSnapshot("n3", "n3:7000", &raft.InstallSnapshotRequest{
		RPCHeader: headerOf("n1"), SnapshotVersion: 1, Term: 5, LastLogIndex: 20, LastLogTerm: 5,
		Configuration: threeMembers(), ConfigurationIndex: 1, Size: int64(late.Len()),
	}, &installed, late))
	require.True(t, installed.Success, "the leader goes on with the entries behind it")
	require.NoError(t, n3.Err())
	eventuallyHas(t, n3, "k", "value 30")
	require.Eventually(t, func() bool { return n3.GetStats().LastApplied == 30 }, 10*time.Second, time.Millisecond)
}

// unopened fails to read the description of a snapshot, once, after it has been written.
type unopened struct {
	storage.Storage
	written, armed atomic.Bool
}

func (u *unopened) Set(ctx context.Context, key, value []byte) error {
	if key[0] == 'd' && !u.written.Swap(true) {
		u.armed.Store(true)
	}
	return u.Storage.Set(ctx, key, value)
}

func (u *unopened) Get(ctx context.Context, key []byte) ([]byte, error) {
	if key[0] == 'd' && u.armed.CompareAndSwap(true, false) {
		return nil, errors.New("too many open files")
	}
	return u.Storage.Get(ctx, key)
}

func TestASnapshotThatWasNotRestoredIsNotTakenForCovered(t *testing.T) {
	source := kv.New()
	command := kv.Set("k", "from the snapshot")
	_, err := source.ApplyResult(consensus.LogEntry{Index: 9, Term: 5, Type: command.Type, Data: command.Data})
	require.NoError(t, err)
	s, err := source.Snapshot()
	require.NoError(t, err)
	var content bytes.Buffer
	content.WriteString(`{"format":"s3lect-consensus-1","clusterID":"default","inMemory":false}` + "\n")
	require.NoError(t, s.WriteTo(&content))

	c := newCluster(t, "n1", "n2", "n3")
	n3 := c.start("n3", consensus.WithElectionTimeoutMin(5*time.Second), consensus.WithStorage(&unopened{Storage: memory.New()}))
	a := speakFor(t, c, "n1")
	install := func() (bool, error) {
		var answer raft.InstallSnapshotResponse
		err := a.InstallSnapshot("n3", "n3:7000", &raft.InstallSnapshotRequest{
			RPCHeader: headerOf("n1"), SnapshotVersion: 1, Term: 6, LastLogIndex: 200, LastLogTerm: 6,
			Configuration: threeMembers(), ConfigurationIndex: 1, Size: int64(content.Len()),
		}, &answer, bytes.NewReader(content.Bytes()))
		return answer.Success, err
	}
	installed, err := install()
	require.Error(t, err)
	require.False(t, installed)
	installed, err = install()
	require.NoError(t, err)
	require.True(t, installed)
	eventuallyHas(t, n3, "k", "from the snapshot")
}
