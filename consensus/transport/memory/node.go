package memory

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/wire"
)

type opener struct{ network *Network }

// Open binds the address and begins to answer.
func (o opener) Open(config transport.Config) (transport.Endpoint, error) {
	config.TLS = nil
	config, err := endpoint.Check(config)
	if err != nil {
		return nil, err
	}
	e := &node{
		Inbox:    endpoint.NewInbox(config.Timeout),
		network:  o.network,
		config:   config,
		refusals: endpoint.NewRefusals(config.Logger),
	}
	address, err := o.network.bind(e)
	e.address = raft.ServerAddress(address)
	return e, err
}

// node is a node's end of the network.
type node struct {
	*endpoint.Inbox
	endpoint.Peers
	network  *Network
	config   transport.Config
	refusals *endpoint.Refusals
	address  raft.ServerAddress

	mu     sync.Mutex
	closed bool
	group  sync.WaitGroup
}

// LocalAddr returns the host and port that other nodes are told.
func (e *node) LocalAddr() raft.ServerAddress { return e.address }

// Close ends everything that the endpoint has begun, and waits for it. Calls in flight fail.
func (e *node) Close() error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		e.network.unbind(string(e.address))
		e.Inbox.Close()
	}
	e.mu.Unlock()
	e.group.Wait()
	return nil
}

// spawn runs f on a goroutine that Close waits for. After Close it does nothing and says so.
func (e *node) spawn(f func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return endpoint.ErrClosed
	}
	e.group.Go(f)
	return nil
}

// peer is where a node is thought to be.
type peer struct {
	id      raft.ServerID
	address raft.ServerAddress
}

func (p peer) wrap(err error) error {
	var remote *wire.RemoteError
	if err == nil || errors.As(err, &remote) {
		return err
	}
	return fmt.Errorf("node %q at %s: %w", p.id, p.address, err)
}

var (
	errNobody = errors.New("nobody listens there")
	errReset  = errors.New("connection was closed by the peer")
)

// AppendEntries sends entries, or a heartbeat.
func (e *node) AppendEntries(id raft.ServerID, target raft.ServerAddress, request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	return e.call(peer{id, target}, request, response)
}

// RequestVote asks for a vote.
func (e *node) RequestVote(id raft.ServerID, target raft.ServerAddress, request *raft.RequestVoteRequest, response *raft.RequestVoteResponse) error {
	return e.call(peer{id, target}, request, response)
}

// RequestPreVote asks whether there would be a vote.
func (e *node) RequestPreVote(id raft.ServerID, target raft.ServerAddress, request *raft.RequestPreVoteRequest, response *raft.RequestPreVoteResponse) error {
	return e.call(peer{id, target}, request, response)
}

// TimeoutNow has a node stand for election at once.
func (e *node) TimeoutNow(id raft.ServerID, target raft.ServerAddress, request *raft.TimeoutNowRequest, response *raft.TimeoutNowResponse) error {
	return e.call(peer{id, target}, request, response)
}

// call sends a request and waits for the answer.
func (e *node) call(to peer, request, response any) error {
	b, err := e.encode(request)
	if err != nil {
		return to.wrap(err)
	}
	t := e.newTrip(endpoint.Patience(e.config.Timeout, len(b)))
	defer t.end()
	receiver, err := t.connect(to)
	if err != nil {
		return to.wrap(err)
	}
	replies := make(chan []byte, 1)
	if err := receiver.spawn(func() { replies <- receiver.serve(b, nil) }); err != nil {
		return to.wrap(errReset)
	}
	return to.wrap(t.receive(to, replies, response))
}

func (e *node) encode(request any) ([]byte, error) {
	b, err := wire.AppendRequest(nil, request)
	if err == nil && len(b) > e.config.MaxMessage {
		err = fmt.Errorf("a message of %d bytes is larger than the %d that are allowed (MaxMessage)", len(b), e.config.MaxMessage)
	}
	return b, err
}

// serve hands a request to the engine and returns the answer as it goes over the network, nil if there is none.
func (e *node) serve(b []byte, data *snapshot) []byte {
	if len(b) > e.config.MaxMessage {
		return nil
	}
	request, err := wire.DecodeRequest(b)
	if err != nil {
		e.config.Logger.Warn("closed the connection of a node", "error", err)
		return nil
	}
	var reply []byte
	response, answer, err := e.ask(request, data)
	if err == nil {
		reply, err = wire.AppendResponse(nil, response, answer)
	}
	if err != nil {
		return nil
	}
	return reply
}

func (e *node) ask(request any, data *snapshot) (response any, answer, err error) {
	if data == nil {
		return e.Serve(request, nil)
	}
	return e.Serve(request, data)
}

// admit says why a node that has connected is not let in.
func (e *node) admit(from *node, to peer) error {
	hello := endpoint.Hello{Cluster: from.config.ClusterID, From: from.config.NodeID, To: string(to.id)}
	err := hello.Judge(e.config.ClusterID, e.config.NodeID)
	if err == nil {
		return nil
	}
	e.refusals.Log(address(from.address), err)
	return fmt.Errorf("refused by the peer: %w", err)
}

// address is that of a node, as a net.Addr.
type address raft.ServerAddress

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }

// trip is a call under way: messages go to a peer and back, until patience is at its end.
type trip struct {
	from    *node
	expired *time.Timer
	closed  <-chan struct{} // of the stream that the call is on, if there is one
}

func (e *node) newTrip(patience time.Duration) *trip {
	return &trip{from: e, expired: time.NewTimer(patience)}
}

func (t *trip) end() { t.expired.Stop() }

// connect sends a message's first byte to a peer and returns the peer once it has arrived.
func (t *trip) connect(to peer) (*node, error) {
	if t.from.isClosed() {
		return nil, endpoint.ErrClosed
	}
	there := t.from.network.send(t.from.config.NodeID, string(to.id))
	if err := t.travel(there); err != nil {
		return nil, err
	}
	receiver := t.from.network.at(string(to.address))
	if receiver == nil {
		return nil, t.refused(to, errNobody)
	}
	if err := receiver.admit(t.from, to); err != nil {
		return nil, t.refused(to, err)
	}
	return receiver, nil
}

// refused returns err once the news of it have come back.
func (t *trip) refused(to peer, err error) error {
	if lost := t.travel(t.from.network.send(string(to.id), t.from.config.NodeID)); lost != nil {
		return lost
	}
	return err
}

// receive waits for an answer, and for its way back.
func (t *trip) receive(to peer, replies <-chan []byte, response any) error {
	var reply []byte
	select {
	case reply = <-replies:
	case <-t.expired.C:
		return os.ErrDeadlineExceeded
	case <-t.closed:
		return errReset
	case <-t.from.Done():
		return endpoint.ErrClosed
	}
	if err := t.travel(t.from.network.send(string(to.id), t.from.config.NodeID)); err != nil {
		return err
	}
	if reply == nil {
		return errReset
	}
	return wire.DecodeResponse(reply, response)
}

// travel waits until a message has arrived. If it is lost it waits for the end of patience.
func (t *trip) travel(m message) error {
	if wait := time.Until(m.arrival); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-t.expired.C:
			return os.ErrDeadlineExceeded
		case <-t.closed:
			return errReset
		case <-t.from.Done():
			return endpoint.ErrClosed
		}
	}
	if t.from.network.arrives(m) {
		return nil
	}
	select {
	case <-t.expired.C:
		return os.ErrDeadlineExceeded
	case <-t.closed:
		return errReset
	case <-t.from.Done():
		return endpoint.ErrClosed
	}
}

func (e *node) isClosed() bool {
	select {
	case <-e.Done():
		return true
	default:
		return false
	}
}
