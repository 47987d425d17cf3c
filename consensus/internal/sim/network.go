package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

var (
	errUnreachable = errors.New("connection refused")
	errTimeout     = errors.New("i/o timeout")
	errClosed      = errors.New("endpoint is closed")
)

// network carries the messages of all nodes, with delays and losses. What gets lost or is late may have had its effect: a
// request is delivered although its caller has given up, an answer does not arrive.
type network struct {
	dice     *dice
	underway sync.WaitGroup
	step     func() // called when something has been delivered

	mu      sync.Mutex
	ends    map[raft.ServerAddress]*endpoint
	cuts    map[way]int
	weather Weather
}

// way is a direction between two nodes.
type way struct{ from, to string }

func newNetwork(d *dice, weather Weather, step func()) *network {
	return &network{dice: d, weather: weather, step: step, ends: map[raft.ServerAddress]*endpoint{}, cuts: map[way]int{}}
}

// open binds an address.
func (n *network) open(c transport.Config) (*endpoint, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	address := raft.ServerAddress(c.Bind)
	if n.ends[address] != nil {
		return nil, fmt.Errorf("listen on %s: address already in use", c.Bind)
	}
	e := &endpoint{
		net: n, id: c.NodeID, address: address, timeout: c.Timeout,
		consumer: make(chan raft.RPC), closed: make(chan struct{}),
	}
	n.ends[address] = e
	return e, nil
}

// cut takes ways away, once more if they are cut already. What it returns restores them.
func (n *network) cut(ways ...way) (restore func()) {
	add := func(one int) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, w := range ways {
			n.cuts[w] += one
		}
	}
	add(1)
	return func() { add(-1) }
}

// calm ends all faults by chance.
func (n *network) calm() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.weather = n.weather.calmed()
}

func (n *network) isCut(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cuts[way{from, to}] > 0
}

func (n *network) weatherNow() Weather {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.weather
}

func (n *network) at(address raft.ServerAddress) *endpoint {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ends[address]
}

// close waits for everything under way.
func (n *network) close() {
	n.mu.Lock()
	ends := slices.Collect(maps.Values(n.ends))
	n.mu.Unlock()
	for _, e := range ends {
		_ = e.Close()
	}
	n.underway.Wait()
}

// delay is how long an answer is under way.
func (n *network) delay() time.Duration {
	w := n.weatherNow()
	d := n.dice.between(50*time.Microsecond, w.latency)
	if slow := n.dice.between(0, w.slowness); n.dice.chance(w.slow) {
		d += slow
	}
	return d
}

// leaving is how long a request is under way. Some wait in a buffer until long after their sender has given up.
func (n *network) leaving() time.Duration {
	w, d := n.weatherNow(), n.delay()
	if late := n.dice.between(0, w.lateness); n.dice.chance(w.late) {
		d += late
	}
	return d
}

// lost says whether a message does not arrive.
func (n *network) lost() bool { return n.dice.chance(n.weatherNow().loss) }

// endpoint is a node's end of the network, as long as its process lives.
type endpoint struct {
	net       *network
	id        string
	address   raft.ServerAddress
	timeout   time.Duration
	consumer  chan raft.RPC
	closed    chan struct{}
	closing   sync.Once
	heartbeat atomic.Pointer[func(raft.RPC)]
}

func (e *endpoint) Close() error {
	e.closing.Do(func() {
		e.net.mu.Lock()
		defer e.net.mu.Unlock()
		if e.net.ends[e.address] == e {
			delete(e.net.ends, e.address)
		}
		close(e.closed)
	})
	return nil
}

func (e *endpoint) isClosed() bool {
	select {
	case <-e.closed:
		return true
	default:
		return false
	}
}

func (e *endpoint) Consumer() <-chan raft.RPC     { return e.consumer }
func (e *endpoint) LocalAddr() raft.ServerAddress { return e.address }

func (e *endpoint) EncodePeer(_ raft.ServerID, address raft.ServerAddress) []byte {
	return []byte(address)
}

func (e *endpoint) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

func (e *endpoint) SetHeartbeatHandler(handle func(raft.RPC)) { e.heartbeat.Store(&handle) }

func (e *endpoint) AppendEntries(_ raft.ServerID, to raft.ServerAddress, request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	return call(e, to, copied(request), nil, e.timeout, response)
}

func (e *endpoint) RequestVote(_ raft.ServerID, to raft.ServerAddress, request *raft.RequestVoteRequest, response *raft.RequestVoteResponse) error {
	r := *request
	return call(e, to, &r, nil, e.timeout, response)
}

func (e *endpoint) RequestPreVote(_ raft.ServerID, to raft.ServerAddress, request *raft.RequestPreVoteRequest, response *raft.RequestPreVoteResponse) error {
	r := *request
	return call(e, to, &r, nil, e.timeout, response)
}

func (e *endpoint) TimeoutNow(_ raft.ServerID, to raft.ServerAddress, request *raft.TimeoutNowRequest, response *raft.TimeoutNowResponse) error {
	r := *request
	return call(e, to, &r, nil, e.timeout, response)
}

// InstallSnapshot sends the whole snapshot, or, when the connection breaks, the beginning of it.
func (e *endpoint) InstallSnapshot(_ raft.ServerID, to raft.ServerAddress, request *raft.InstallSnapshotRequest, response *raft.InstallSnapshotResponse, data io.Reader) error {
	body, err := io.ReadAll(data)
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	var stream io.Reader = bytes.NewReader(body)
	if share := e.net.dice.part(); e.net.lost() {
		stream = io.MultiReader(bytes.NewReader(body[:int(share*float64(len(body)))]), broken{})
	}
	r := *request
	return call(e, to, &r, stream, 10*e.timeout, response)
}

// broken is the rest of a stream whose connection is gone.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errTimeout }

// copied has the receiver share no memory with the sender.
func copied(request *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	r := *request
	r.Entries = make([]*raft.Log, len(request.Entries))
	for i, entry := range request.Entries {
		one := *entry
		one.Data, one.Extensions = bytes.Clone(entry.Data), bytes.Clone(entry.Extensions)
		r.Entries[i] = &one
	}
	return &r
}

// call sends a request and waits for the answer, at most for as long as the limit.
func call[T any](e *endpoint, to raft.ServerAddress, request any, stream io.Reader, limit time.Duration, response *T) error {
	if e.isClosed() {
		return errClosed
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	answers := make(chan raft.RPCResponse, 1)
	e.net.underway.Go(func() {
		time.Sleep(e.net.leaving())
		answer, ok := e.net.deliver(e, to, request, stream)
		if !ok {
			return
		}
		time.Sleep(e.net.delay())
		answers <- answer
	})
	select {
	case answer := <-answers:
		defer e.net.step()
		return unpack(answer, response)
	case <-timer.C:
		return errTimeout
	case <-e.closed:
		return errClosed
	}
}

func unpack[T any](answer raft.RPCResponse, into *T) error {
	if answer.Error != nil {
		return answer.Error
	}
	got, ok := answer.Response.(*T)
	if !ok {
		return fmt.Errorf("answer is a %T", answer.Response)
	}
	*into = *got
	return nil
}

// deliver hands a request to whoever is at an address now, and returns the answer if it gets back.
func (n *network) deliver(from *endpoint, to raft.ServerAddress, request any, stream io.Reader) (raft.RPCResponse, bool) {
	target := n.at(to)
	if target == nil {
		return raft.RPCResponse{Error: errUnreachable}, true
	}
	if n.isCut(from.id, target.id) || n.lost() {
		return raft.RPCResponse{}, false
	}
	answer, ok := target.take(request, stream)
	n.step()
	if !ok || n.isCut(target.id, from.id) || n.lost() {
		return raft.RPCResponse{}, false
	}
	return answer, true
}

// take hands a request to the node and waits for its answer.
func (e *endpoint) take(request any, stream io.Reader) (raft.RPCResponse, bool) {
	answers := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{Command: request, Reader: stream, RespChan: answers}
	if handle := e.heartbeat.Load(); handle != nil && isHeartbeat(request) && !e.isClosed() {
		(*handle)(rpc)
	} else {
		select {
		case e.consumer <- rpc:
		case <-e.closed:
			return raft.RPCResponse{}, false
		}
	}
	select {
	case answer := <-answers:
		return answer, true
	case <-e.closed:
		return raft.RPCResponse{}, false
	}
}

// isHeartbeat says whether a request goes past the node's main loop, as it does in real transports.
func isHeartbeat(request any) bool {
	r, ok := request.(*raft.AppendEntriesRequest)
	return ok && r.Term != 0 && r.PrevLogEntry == 0 && r.PrevLogTerm == 0 && len(r.Entries) == 0 && r.LeaderCommitIndex == 0
}
