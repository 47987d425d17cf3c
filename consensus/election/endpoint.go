package election

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// endpoint stands between the network and the lease, which the engine has as its transport. It notes who is heard from, answers
// probes, and keeps strangers out.
//
// It does not offer the two ways past the engine's main loop: no pipeline, since there are no entries to speak of, and no shortcut
// for heartbeats, since the loop has nothing to do that would hold them up.
type endpoint struct {
	transport.Endpoint
	engine *engine
	peers  *peers
	header raft.RPCHeader

	incoming chan raft.RPC
	closing  chan struct{}
	receiver sync.WaitGroup
	close    func() error
}

func newEndpoint(inner transport.Endpoint, engine *engine, peers *peers) *endpoint {
	self := raft.ServerID(engine.self.ID)
	e := &endpoint{
		Endpoint: inner,
		engine:   engine,
		peers:    peers,
		header: raft.RPCHeader{
			ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(self), Addr: inner.EncodePeer(self, inner.LocalAddr()),
		},
		incoming: make(chan raft.RPC),
		closing:  make(chan struct{}),
	}
	e.close = sync.OnceValue(func() error {
		close(e.closing)
		err := e.Endpoint.Close()
		e.receiver.Wait()
		return err
	})
	return e
}

// start begins to hand incoming calls on, to an engine that runs.
func (e *endpoint) start() { e.receiver.Go(e.receive) }

// Close ends all goroutines and connections.
func (e *endpoint) Close() error { return e.close() }

// Consumer gives the engine what is for it.
func (e *endpoint) Consumer() <-chan raft.RPC { return e.incoming }

// SetHeartbeatHandler leaves heartbeats to Consumer.
func (e *endpoint) SetHeartbeatHandler(func(raft.RPC)) {}

// AppendEntriesPipeline is not offered.
func (e *endpoint) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// AppendEntries sends a heartbeat, or the entry of a new leader.
func (e *endpoint) AppendEntries(id raft.ServerID, target raft.ServerAddress,
	request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse,
) error {
	err := e.Endpoint.AppendEntries(id, target, request, response)
	e.note(id, err)
	return err
}

// RequestVote asks for a vote.
func (e *endpoint) RequestVote(id raft.ServerID, target raft.ServerAddress,
	request *raft.RequestVoteRequest, response *raft.RequestVoteResponse,
) error {
	err := e.Endpoint.RequestVote(id, target, request, response)
	e.note(id, err)
	return err
}

// RequestPreVote asks whether there would be a vote.
func (e *endpoint) RequestPreVote(id raft.ServerID, target raft.ServerAddress,
	request *raft.RequestPreVoteRequest, response *raft.RequestPreVoteResponse,
) error {
	err := e.Endpoint.RequestPreVote(id, target, request, response)
	e.note(id, err)
	return err
}

func (e *endpoint) note(id raft.ServerID, err error) {
	if err != nil {
		e.peers.failed(string(id), err)
		return
	}
	e.peers.heard(string(id))
}

func (e *endpoint) receive() {
	for {
		select {
		case rpc := <-e.Endpoint.Consumer():
			e.handle(rpc)
		case <-e.closing:
			return
		}
	}
}

// handle answers what the engine is not to see, and hands on the rest.
func (e *endpoint) handle(rpc raft.RPC) {
	call, ok := rpc.Command.(raft.WithRPCHeader)
	if !ok {
		rpc.Respond(nil, fmt.Errorf("%T is unknown", rpc.Command))
		return
	}
	from := string(call.GetRPCHeader().ID)
	if !e.peers.member(from) {
		rpc.Respond(nil, fmt.Errorf("node %q is not a member of the fleet", from))
		return
	}
	switch request := rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		e.peers.told(from, StateLeader, request.Term)
	case *raft.RequestVoteRequest:
		e.peers.told(from, StateCandidate, request.Term)
	case *raft.RequestPreVoteRequest:
		if isProbe(request) {
			rpc.Respond(e.answerProbe(), nil)
			return
		}
		e.peers.told(from, StateCandidate, request.Term-1) // it asks for the next one
	case *raft.InstallSnapshotRequest:
		rpc.Respond(nil, errors.New("an election has no snapshots"))
		return
	}
	select {
	case e.incoming <- rpc:
	case <-e.closing:
		rpc.Respond(nil, raft.ErrTransportShutdown)
	}
}
