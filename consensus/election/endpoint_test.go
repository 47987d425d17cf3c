package election

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// wire is a network on which each heartbeat gets the same answer.
type wire struct {
	transport.Endpoint
	answer   raft.AppendEntriesResponse
	incoming chan raft.RPC
	fastPath bool
}

func (w *wire) LocalAddr() raft.ServerAddress                                 { return "127.0.0.1:7001" }
func (w *wire) EncodePeer(_ raft.ServerID, address raft.ServerAddress) []byte { return []byte(address) }
func (w *wire) Consumer() <-chan raft.RPC                                     { return w.incoming }
func (w *wire) SetHeartbeatHandler(func(raft.RPC))                            { w.fastPath = true }
func (w *wire) Close() error                                                  { return nil }

func (w *wire) AppendEntries(_ raft.ServerID, _ raft.ServerAddress, _ *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	*response = w.answer
	return nil
}

func newTestEndpoint(w *wire) *endpoint {
	members := membership{Nodes: threeNodes()}
	w.incoming = make(chan raft.RPC)
	g := &engine{self: members.Nodes[0], members: members, changed: make(chan struct{}, 1)}
	return newEndpoint(w, g, newPeers(members, "a", time.Second, func(error) {}, slog.New(slog.DiscardHandler)))
}

func TestNodeCeasesToLeadBeforeItsLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, members, err := Config{Node: Node{ID: "a"}, Peers: threeNodes(), ElectionTimeout: time.Second, MemoryVotes: true}.complete()
		require.NoError(t, err)
		w := &wire{answer: raft.AppendEntriesResponse{Term: 7, Success: true}, incoming: make(chan raft.RPC)}
		g := newEngine(c, members, w, newPeers(members, "a", time.Second, func(error) {}, c.Logger))
		defer func() { require.NoError(t, g.lease.Close()) }()
		require.NoError(t, g.lease.AppendEntries("b", "", &raft.AppendEntriesRequest{Term: 7}, &raft.AppendEntriesResponse{}))
		assert.Equal(t, timingOf(time.Second).Lease, g.remaining(7))
		assert.Equal(t, 800*time.Millisecond, g.remaining(7))
		time.Sleep(800 * time.Millisecond)
		assert.LessOrEqual(t, g.remaining(7), time.Duration(0))
		assert.True(t, g.lease.Leading(7), "nobody else can lead yet")
	})
}

func TestWorkCanEndBeforeAnybodyElseLeadsThoughClocksDiffer(t *testing.T) {
	timing := timingOf(time.Second)
	slowest := float64(timing.Lease) / 0.95
	fastest := float64(timing.ElectionMin) / 1.05
	assert.Less(t, slowest, fastest-float64(timing.ElectionMin)/10, "there is a tenth left to end the work")
}

func TestHeartbeatsAreAnsweredByTheLoopThatGrantsVotes(t *testing.T) {
	w := &wire{}
	e := newTestEndpoint(w)
	e.SetHeartbeatHandler(func(raft.RPC) {})
	assert.False(t, w.fastPath)
	_, err := e.AppendEntriesPipeline("b", "")
	assert.ErrorIs(t, err, raft.ErrPipelineReplicationNotSupported)
}

// send hands a request in as the network does. What is handed on is answered with errHandedOn.
func send(e *endpoint, command any) raft.RPCResponse {
	answers := make(chan raft.RPCResponse, 1)
	go e.handle(raft.RPC{Command: command, RespChan: answers})
	select {
	case rpc := <-e.Consumer():
		rpc.Respond(nil, errHandedOn)
		return <-answers
	case answer := <-answers:
		return answer
	}
}

var errHandedOn = errors.New("handed on")

func TestStrangersAndSnapshotsDoNotReachTheEngine(t *testing.T) {
	e := newTestEndpoint(&wire{})
	for _, command := range []any{
		&raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{ID: []byte("x")}, Term: 7},
		&raft.RequestVoteRequest{Term: 7},
		&raft.InstallSnapshotRequest{RPCHeader: raft.RPCHeader{ID: []byte("b")}},
		"something",
	} {
		answer := send(e, command)
		require.Error(t, answer.Error)
		assert.NotErrorIs(t, answer.Error, errHandedOn)
	}
	heartbeat := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{ID: []byte("b")}, Term: 7}
	assert.ErrorIs(t, send(e, heartbeat).Error, errHandedOn)
}
