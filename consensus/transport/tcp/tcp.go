// Package tcp connects the nodes of a cluster over TCP, with mutual TLS where a certificate is configured. It is the
// default transport, and the one that needs least:
//
//	consensus.WithTransport(tcp.New(tcp.Options{}))
//
// # Who is let in
//
// Whoever connects first says which cluster it belongs to, who it is and whom it wants to reach, and is told the same.
// Another cluster's node, another version's, and one that wanted to reach somebody else at this address are refused, and
// both sides say why. With TLS the certificates are verified before that. Handshakes have a deadline and a bounded
// number; should there be more, the oldest has to go, so that connections that say nothing do not keep members out.
//
// Without TLS the names are only a guard against mistakes: whoever can reach the port can be a member. Such a
// cluster belongs into a network of its own. In both cases bytes of a peer cannot make a node panic, or make it hold
// more memory than they are long, with an upper bound of MaxMessage for each connection.
//
// # What is bounded
//
// A call ends after Config.Timeout at the latest, connecting included; messages larger than 1 MiB have one more for
// each MiB. A snapshot may take as long as it moves: it ends when nothing has moved for [Options.Stall], in either
// direction and on either side. Its receiver gives a sign of life while it puts the snapshot to use, for at most one
// Timeout per 256 KiB. Connections that were not used for a while are closed.
//
// # On the wire
//
// The engine's own network transport is not used. It reads without a limit, ends the process upon malformed entries,
// waits for ever for the rest of a snapshot, which keeps its receiver from voting, and leaves connections behind
// when it is closed. Here a message is its length in four bytes and then its fields; the requests of a connection are
// answered one after the other.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
)

// Options are the limits of the transport. The zero value is fine.
type Options struct {
	// Stall is how long a snapshot may stand still on its way. Defaults to the node's time-out, and 10s at the least.
	Stall time.Duration
	// MaxConnections is the number of connections that are let in. Each member needs about four. Defaults to 1024.
	MaxConnections int
	// MaxHandshakes is the number of connections that may be in the course of saying who they are. Defaults to 64.
	MaxHandshakes int
	// Idle is how long a connection that came in may be silent. Those that go out are closed after a fifth of it, before
	// the other side does. Defaults to 5m.
	Idle time.Duration
}

// New returns a transport over TCP. It may be used by several nodes.
func New(options Options) transport.Transport {
	if options.Idle <= 0 {
		options.Idle = 5 * time.Minute
	}
	return tcp{options}
}

type tcp struct{ options Options }

// Open binds the address and begins to answer.
func (t tcp) Open(config transport.Config) (transport.Endpoint, error) {
	config, err := endpoint.Check(config)
	if err != nil {
		return nil, err
	}
	listener, address, err := endpoint.Listen(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &node{
		Inbox:    endpoint.NewInbox(config.Timeout),
		config:   config,
		options:  t.options,
		stall:    endpoint.Stall(t.options.Stall, config.Timeout),
		address:  raft.ServerAddress(address),
		listener: listener,
		gate:     endpoint.NewGate(t.options.MaxConnections, t.options.MaxHandshakes),
		refusals: endpoint.NewRefusals(config.Logger),
		ctx:      ctx,
		cancel:   cancel,
		conns:    make(map[net.Conn]struct{}),
		pool:     make(map[peer][]*conn),
	}
	err = e.spawn(e.accept)
	return e, err
}

// node is a node's end of the network.
type node struct {
	*endpoint.Inbox
	endpoint.Peers
	config   transport.Config
	options  Options
	stall    time.Duration
	address  raft.ServerAddress
	listener net.Listener
	gate     *endpoint.Gate
	refusals *endpoint.Refusals
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	group    sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	conns     map[net.Conn]struct{} // that went out
	pool      map[peer][]*conn      // of them those that are not in use
	nextSweep time.Time             // when old ones are looked for in the pool
}

// LocalAddr returns the host and port that other nodes are told.
func (e *node) LocalAddr() raft.ServerAddress { return e.address }

// Close ends everything that the endpoint has begun, and waits for it. Calls in flight fail.
func (e *node) Close() error {
	err := e.shut()
	e.group.Wait()
	return err
}

func (e *node) shut() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	e.cancel()
	e.Inbox.Close()
	e.gate.Close()
	for c := range e.conns {
		_ = c.Close()
	}
	clear(e.pool)
	if err := e.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("transport: close %s: %w", e.address, err)
	}
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

// open remembers a connection that goes out, so that Close can end it. After Close it ends it at once.
func (e *node) open(c net.Conn) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		_ = c.Close()
		return endpoint.ErrClosed
	}
	e.conns[c] = struct{}{}
	return nil
}

func (e *node) forget(c net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
}
