//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// network is a transport that counts what is sent, and from which nodes can be cut off: what goes to them and what they
// send is lost, and whoever waits for an answer waits for the whole time-out.
type network struct {
	transport.Transport
	messages atomic.Uint64

	mu  sync.Mutex
	off map[raft.ServerID]bool
}

func newNetwork(inner transport.Transport) *network {
	return &network{Transport: inner, off: map[raft.ServerID]bool{}}
}

func (n *network) cut(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.off[raft.ServerID(id)] = true
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.off)
}

func (n *network) isCut(from, to raft.ServerID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.off[from] || n.off[to]
}

// Open implements transport.Transport.
func (n *network) Open(config transport.Config) (transport.Endpoint, error) {
	endpoint, err := n.Transport.Open(config)
	if err != nil {
		return nil, err
	}
	e := &networkEnd{Endpoint: endpoint, network: n, self: raft.ServerID(config.NodeID), timeout: config.Timeout}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e, nil
}

type networkEnd struct {
	transport.Endpoint
	network *network
	self    raft.ServerID
	timeout time.Duration
	ctx     context.Context // ends with the endpoint
	cancel  context.CancelFunc
}

var errLost = errors.New("the message was lost: the node is cut off")

// pass counts a message, and holds it up and loses it if one of the two is cut off.
func (e *networkEnd) pass(to raft.ServerID) error {
	e.network.messages.Add(1)
	if !e.network.isCut(e.self, to) {
		return nil
	}
	_ = pause(e.ctx, e.timeout)
	return errLost
}

// Close implements raft.WithClose.
func (e *networkEnd) Close() error {
	e.cancel()
	return e.Endpoint.Close()
}

// AppendEntries implements raft.Transport.
func (e *networkEnd) AppendEntries(id raft.ServerID, target raft.ServerAddress, request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	if err := e.pass(id); err != nil {
		return err
	}
	return e.Endpoint.AppendEntries(id, target, request, response)
}

// RequestVote implements raft.Transport.
func (e *networkEnd) RequestVote(id raft.ServerID, target raft.ServerAddress, request *raft.RequestVoteRequest, response *raft.RequestVoteResponse) error {
	if err := e.pass(id); err != nil {
		return err
	}
	return e.Endpoint.RequestVote(id, target, request, response)
}

// RequestPreVote implements raft.WithPreVote.
func (e *networkEnd) RequestPreVote(id raft.ServerID, target raft.ServerAddress, request *raft.RequestPreVoteRequest, response *raft.RequestPreVoteResponse) error {
	if err := e.pass(id); err != nil {
		return err
	}
	return e.Endpoint.RequestPreVote(id, target, request, response)
}

// TimeoutNow implements raft.Transport.
func (e *networkEnd) TimeoutNow(id raft.ServerID, target raft.ServerAddress, request *raft.TimeoutNowRequest, response *raft.TimeoutNowResponse) error {
	if err := e.pass(id); err != nil {
		return err
	}
	return e.Endpoint.TimeoutNow(id, target, request, response)
}

// InstallSnapshot implements raft.Transport.
func (e *networkEnd) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, request *raft.InstallSnapshotRequest, response *raft.InstallSnapshotResponse, data io.Reader) error {
	if err := e.pass(id); err != nil {
		return err
	}
	return e.Endpoint.InstallSnapshot(id, target, request, response, data)
}

// AppendEntriesPipeline implements raft.Transport.
func (e *networkEnd) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	pipeline, err := e.Endpoint.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	return &networkPipeline{AppendPipeline: pipeline, end: e, target: id}, nil
}

type networkPipeline struct {
	raft.AppendPipeline
	end    *networkEnd
	target raft.ServerID
}

// AppendEntries implements raft.AppendPipeline.
func (p *networkPipeline) AppendEntries(request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	if err := p.end.pass(p.target); err != nil {
		return nil, err
	}
	return p.AppendPipeline.AppendEntries(request, response)
}
