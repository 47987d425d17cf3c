package election

import (
	"context"
	"time"

	"github.com/hashicorp/raft"
)

// Nodes ask each other what they are, so that each of them can show the whole fleet, with or without a leader. The question travels
// as a request for a pre-vote in term 0, which no election ever has and which an engine would refuse; the answer
// carries the state where an address would be.

func isProbe(request *raft.RequestPreVoteRequest) bool { return request.Term == 0 }

func (e *endpoint) answerProbe() *raft.RequestPreVoteResponse {
	state, term := e.engine.state()
	header := e.header
	header.Addr = []byte(state)
	return &raft.RequestPreVoteResponse{RPCHeader: header, Term: term}
}

// probe asks one peer again and again.
func (e *endpoint) probe(ctx context.Context, peer Node, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		e.ask(peer)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (e *endpoint) ask(peer Node) {
	request := &raft.RequestPreVoteRequest{RPCHeader: e.header}
	var response raft.RequestPreVoteResponse
	err := e.RequestPreVote(raft.ServerID(peer.ID), raft.ServerAddress(peer.Address), request, &response)
	if err == nil {
		e.peers.told(peer.ID, parseState(response.Addr), response.Term)
	}
}

func parseState(text []byte) State {
	switch state := State(text); state {
	case StateFollower, StateCandidate, StateLeader:
		return state
	}
	return StateUnknown
}
