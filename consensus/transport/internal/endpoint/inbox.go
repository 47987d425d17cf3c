// Package endpoint holds what the transports have in common: handing requests to the engine, keeping several in
// flight, and the addresses and certificates of a node.
package endpoint

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// ErrClosed says that this end has been closed.
var ErrClosed = errors.New("transport is closed")

// Inbox hands the requests of peers to the engine. It is the receiving half of an endpoint.
type Inbox struct {
	requests chan raft.RPC
	patience time.Duration
	done     chan struct{}
	close    sync.Once

	mu        sync.RWMutex
	heartbeat func(raft.RPC)
}

// NewInbox returns an Inbox in which a request waits no longer than patience for the engine to take it: whoever sent it
// has given up by then.
func NewInbox(patience time.Duration) *Inbox {
	return &Inbox{requests: make(chan raft.RPC), patience: patience, done: make(chan struct{})}
}

// Consumer returns the channel that the engine takes requests from.
func (i *Inbox) Consumer() <-chan raft.RPC { return i.requests }

// SetHeartbeatHandler sets the function that heartbeats are handed to at once, on the goroutine of the connection,
// so that they do not wait behind requests for the disk.
func (i *Inbox) SetHeartbeatHandler(handler func(raft.RPC)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.heartbeat = handler
}

// Close ends all waiting in the inbox. It may be called several times.
func (i *Inbox) Close() { i.close.Do(func() { close(i.done) }) }

// Done is closed by Close.
func (i *Inbox) Done() <-chan struct{} { return i.done }

// Serve hands a request to the engine and returns its answer. The first error is the engine's answer, the
// second says that there is none. Data is that of a snapshot.
func (i *Inbox) Serve(request any, data io.Reader) (response any, answer, err error) {
	reply := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{Command: request, Reader: data, RespChan: reply}
	if err := i.hand(rpc); err != nil {
		return nil, nil, err
	}
	select {
	case r := <-reply:
		return r.Response, r.Error, nil
	case <-i.done:
		return nil, nil, ErrClosed
	}
}

func (i *Inbox) hand(rpc raft.RPC) error {
	select {
	case <-i.done:
		return ErrClosed
	default:
	}
	if isHeartbeat(rpc.Command) {
		i.mu.RLock()
		handler := i.heartbeat
		i.mu.RUnlock()
		if handler != nil {
			handler(rpc)
			return nil
		}
	}
	select {
	case i.requests <- rpc:
		return nil
	default:
	}
	timer := time.NewTimer(i.patience)
	defer timer.Stop()
	select {
	case i.requests <- rpc:
		return nil
	case <-timer.C:
		return fmt.Errorf("the engine has not taken a request for %v", i.patience)
	case <-i.done:
		return ErrClosed
	}
}

// isHeartbeat tells the engine's heartbeats from the rest: they carry a term and a leader and nothing else.
func isHeartbeat(request any) bool {
	r, ok := request.(*raft.AppendEntriesRequest)
	return ok && r.Term != 0 && (len(r.Addr) > 0 || len(r.Leader) > 0) && //nolint:staticcheck // the engine still sends it
		r.PrevLogEntry == 0 && r.PrevLogTerm == 0 && len(r.Entries) == 0 && r.LeaderCommitIndex == 0
}

// Peers writes the addresses of peers as the engine wants them in its messages.
type Peers struct{}

// EncodePeer returns the address as bytes.
func (Peers) EncodePeer(_ raft.ServerID, address raft.ServerAddress) []byte { return []byte(address) }

// DecodePeer returns the address that the bytes are.
func (Peers) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }
