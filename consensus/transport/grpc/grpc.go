// Package grpc connects the nodes of a cluster over gRPC, with mutual TLS where a certificate is configured. It is for
// networks in which gRPC is what gets through, is balanced, observed and allowed. Pipelined entries, which are what a busy
// cluster sends, take about as long as with the tcp package; single messages, such as heartbeats, take longer:
//
//	consensus.WithTransport(grpc.New(grpc.Options{}))
//
// # The service
//
// There are three methods below /s3lect.raft.v1.Transport/. Call is for heartbeats, votes, single AppendEntries and the
// hand-over of leadership; Append is a stream in both directions that pipelines AppendEntries, answered in order;
// Install is a stream from the client: a request, then the bytes of a snapshot. Messages are written as the tcp package writes
// them, and not as protocol buffers: the messages belong to the engine, whose structs would have to be
// copied into generated ones and back for each entry, and no other program is meant to speak to a node. The content type is
// application/grpc+s3lect.
//
// # Who is let in
//
// Each call names the cluster, the node that calls and the one that is meant, in its headers. Another cluster's
// node, and one that wanted to reach somebody else at this address, are refused, and both sides say why. Certificates
// are verified before that. Handshakes have a deadline and a bounded number; should there be more, the oldest has to go.
//
// Without TLS the names are only a guard against mistakes: whoever can reach the port can be a member. Such a
// cluster belongs into a network of its own. In both cases bytes of a peer cannot make a node panic, or make it hold
// more memory than they are long, with an upper bound of MaxMessage for each call.
//
// # What is bounded
//
// No call is without a deadline: each ends after Config.Timeout at the latest, connecting included; messages larger than
// 1 MiB have one more for each MiB. A snapshot may take as long as it moves: it ends when nothing has moved for
// [Options.Stall]. Its receiver may then put it to use for one Timeout per 256 KiB, as long as it answers the keep-alives
// of the connection, which are sent every 10 seconds. Connections that were not used for a while are closed.
package grpc

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
)

// Options are the limits of the transport. The zero value is fine.
type Options struct {
	// Stall is how long a snapshot may stand still on its way. Defaults to the node's time-out, and 10s at the least.
	Stall time.Duration
	// MaxConnections is the number of connections that are let in. Each member needs up to three. Defaults to 1024.
	MaxConnections int
	// MaxHandshakes is the number of connections that may be in the course of saying who they are. Defaults to 64.
	MaxHandshakes int
	// Idle is how long a connection may be without a call. Defaults to 5m.
	Idle time.Duration
}

// New returns a transport over gRPC. It may be used by several nodes.
func New(options Options) transport.Transport {
	if options.Idle <= 0 {
		options.Idle = 5 * time.Minute
	}
	return opener{options}
}

type opener struct{ options Options }

const (
	bufferSize   = 64 << 10 // for reading from and writing to a connection
	streamWindow = 1 << 20  // what may be under way on a stream, and what it may hold in memory
	connWindow   = 4 << 20
	streams      = 64 // of a connection at a time
	// keepAlive is how often a connection with calls is asked whether it is still there; gRPC allows nothing below.
	keepAlive = 10 * time.Second
)

// Open binds the address and begins to answer.
func (o opener) Open(config transport.Config) (transport.Endpoint, error) {
	config, err := endpoint.Check(config)
	if err != nil {
		return nil, err
	}
	listener, address, err := endpoint.Listen(config)
	if err != nil {
		return nil, err
	}
	e := &node{
		Inbox:    endpoint.NewInbox(config.Timeout),
		config:   config,
		options:  o.options,
		stall:    endpoint.Stall(o.options.Stall, config.Timeout),
		address:  raft.ServerAddress(address),
		gate:     endpoint.NewGate(o.options.MaxConnections, o.options.MaxHandshakes),
		refusals: endpoint.NewRefusals(config.Logger),
		channels: make(map[channelKey]*grpc.ClientConn),
	}
	e.server = grpc.NewServer(
		grpc.Creds(&serverCredentials{TransportCredentials: e.inner(), secure: config.TLS != nil, gate: e.gate, refuse: e.refuse}),
		grpc.ForceServerCodecV2(codec{}),
		grpc.MaxRecvMsgSize(config.MaxMessage),
		grpc.MaxConcurrentStreams(streams),
		grpc.ConnectionTimeout(config.Timeout),
		grpc.ReadBufferSize(bufferSize),
		grpc.WriteBufferSize(bufferSize),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: o.options.Idle, Time: keepAlive, Timeout: e.stall}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepAlive / 2}),
		grpc.WaitForHandlers(true),
	)
	e.server.RegisterService(&service, e)
	err = e.spawn(func() { _ = e.server.Serve(gatedListener{listener, e}) }) // it ends with Close, with an error that says so
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
	server   *grpc.Server
	gate     *endpoint.Gate
	refusals *endpoint.Refusals
	group    sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	channels map[channelKey]*grpc.ClientConn
}

// LocalAddr returns the host and port that other nodes are told.
func (e *node) LocalAddr() raft.ServerAddress { return e.address }

// Close ends everything that the endpoint has begun, and waits for it. Calls in flight fail; those of peers are told why, if
// that takes no more than a moment.
func (e *node) Close() error {
	err := e.shut()
	told := make(chan struct{})
	go func() {
		defer close(told)
		e.server.GracefulStop()
	}()
	const moment = 100 * time.Millisecond
	timer := time.NewTimer(moment)
	defer timer.Stop()
	select {
	case <-told:
	case <-timer.C:
	}
	e.gate.Close()
	e.server.Stop()
	<-told
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
	e.Inbox.Close()
	var first error
	for key, channel := range e.channels {
		if err := channel.Close(); err != nil && first == nil {
			first = fmt.Errorf("transport: close the connection to %s: %w", key.address, err)
		}
	}
	clear(e.channels)
	return first
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

func (e *node) isClosed() bool {
	select {
	case <-e.Done():
		return true
	default:
		return false
	}
}

func (e *node) refuse(remote net.Addr, err error) {
	if !e.isClosed() {
		e.refusals.Log(remote, err)
	}
}

// The headers that say hello. Their values may be any bytes, which is what the suffix means.
const (
	headerCluster = "s3lect-cluster-bin"
	headerFrom    = "s3lect-from-bin"
	headerTo      = "s3lect-to-bin"
)

func (e *node) hello(ctx context.Context, to peer) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(
		headerCluster, e.config.ClusterID, headerFrom, e.config.NodeID, headerTo, string(to.id),
	))
}

func readHello(ctx context.Context) endpoint.Hello {
	first := func(key string) string {
		if values := metadata.ValueFromIncomingContext(ctx, key); len(values) > 0 {
			return values[0]
		}
		return ""
	}
	return endpoint.Hello{Cluster: first(headerCluster), From: first(headerFrom), To: first(headerTo)}
}
