package consensus_test

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

func speakFor(t *testing.T, c *cluster, id string) transport.Endpoint {
	t.Helper()
	e, err := c.network.Transport().Open(transport.Config{ClusterID: "default", NodeID: id, Bind: id + ":7000", Timeout: 5 * time.Second, MaxMessage: 1 << 20, Logger: quiet()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func headerOf(id string) raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: 3, ID: []byte(id), Addr: []byte(id + ":7000")}
}

func command(index, term uint64, value string) *raft.Log {
	cmd := kv.Set("k", value)
	data := append([]byte{1, 0, byte(len(cmd.Type))}, cmd.Type...)
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: append(data, cmd.Data...)}
}

func TestAFollowerCommitsNothingBehindWhatTheLeaderHasCompared(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	f := c.start("n3", consensus.WithElectionTimeoutMin(10*time.Second))
	old, next := speakFor(t, c, "n1"), speakFor(t, c, "n2")
	// The old leader's entry 2 never reaches a majority.
	var answer raft.AppendEntriesResponse
	require.NoError(t, old.AppendEntries("n3", "n3:7000", &raft.AppendEntriesRequest{
		RPCHeader: headerOf("n1"), Term: 5, PrevLogEntry: 1, PrevLogTerm: 1, LeaderCommitIndex: 1,
		Entries: []*raft.Log{command(2, 5, "stale")},
	}, &answer))
	require.True(t, answer.Success)
	// The new leader has looked where its log ends, 1, before it has its first entry, and at its commit index after a
	// backoff, when that entry, 2, has been committed (raft v1.8.0 replication.go:195).
	require.NoError(t, next.AppendEntries("n3", "n3:7000", &raft.AppendEntriesRequest{
		RPCHeader: headerOf("n2"), Term: 6, PrevLogEntry: 1, PrevLogTerm: 1, LeaderCommitIndex: 2,
	}, &answer))
	require.True(t, answer.Success)
	require.Never(t, func() bool {
		v, err := f.ReadStale(kv.Get{Key: "k"})
		return err == nil && valueOf(v) == "stale"
	}, 300*time.Millisecond, time.Millisecond, "an entry that was never committed has been applied")
}

func TestAnEntryOfAnUnknownTypeDoesNotEndTheProcess(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	c.start("n3", consensus.WithElectionTimeoutMin(10*time.Second))
	a := speakFor(t, c, "n1")
	_ = a.AppendEntries("n3", "n3:7000", &raft.AppendEntriesRequest{
		RPCHeader: headerOf("n1"), Term: 5, PrevLogEntry: 1, PrevLogTerm: 1, LeaderCommitIndex: 2,
		Entries: []*raft.Log{{Index: 2, Term: 5, Type: 77}},
	}, new(raft.AppendEntriesResponse))
}

func TestAMemberThatHasComeAndGoneGetsNoVoteAtAWrongAddress(t *testing.T) {
	c := newCluster(t, "n1")
	leader := c.start("n1")
	require.Eventually(t, leader.IsLeader, 5*time.Second, time.Millisecond)
	c.peers = nil
	n2 := c.start("n2", consensus.WithJoin())
	require.NoError(t, leader.AddNode(t.Context(), "n2", "n2", testPort))
	require.NoError(t, leader.RemoveNode(t.Context(), "n2"))
	require.NoError(t, n2.Stop(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.Error(t, leader.AddNode(ctx, "n2", "nowhere", testPort))
	for _, node := range leader.GetClusterInfo().Nodes {
		require.False(t, node.ID == "n2" && node.Voter, "a node that never answered has a vote, and the only voter has lost its majority")
	}
}

func TestAMemberThatHasDiedGetsNoVote(t *testing.T) {
	c := newCluster(t, "n1")
	leader := c.start("n1")
	require.Eventually(t, leader.IsLeader, 5*time.Second, time.Millisecond)
	c.peers = nil
	n2 := c.start("n2", consensus.WithJoin())
	require.NoError(t, leader.AddNonVoter(t.Context(), "n2", "n2", testPort))
	require.NoError(t, leader.Apply(t.Context(), kv.Set("a", "b")))
	eventuallyHas(t, n2, "a", "b")
	require.NoError(t, n2.Stop(t.Context()))
	require.Eventually(t, func() bool { return leader.GetClusterInfo().HealthyNodes == 1 }, 5*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.Error(t, leader.AddNode(ctx, "n2", "n2", testPort))
	require.NoError(t, leader.Apply(t.Context(), kv.Set("a", "c")))
}
