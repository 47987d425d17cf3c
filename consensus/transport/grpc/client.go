package grpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/wire"
)

// peer is where a node is thought to be.
type peer struct {
	id      raft.ServerID
	address raft.ServerAddress
}

// traffic is what a connection is for. A heartbeat does not wait behind entries, nor entries behind a snapshot.
type traffic int

const (
	control traffic = iota
	log
	snapshots
)

type channelKey struct {
	peer
	traffic traffic
}

// AppendEntries sends entries, or a heartbeat.
func (e *node) AppendEntries(id raft.ServerID, target raft.ServerAddress, request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	if len(request.Entries) == 0 {
		return e.call(channelKey{peer{id, target}, control}, request, response)
	}
	return e.call(channelKey{peer{id, target}, log}, request, response)
}

// RequestVote asks for a vote.
func (e *node) RequestVote(id raft.ServerID, target raft.ServerAddress, request *raft.RequestVoteRequest, response *raft.RequestVoteResponse) error {
	return e.call(channelKey{peer{id, target}, control}, request, response)
}

// RequestPreVote asks whether there would be a vote.
func (e *node) RequestPreVote(id raft.ServerID, target raft.ServerAddress, request *raft.RequestPreVoteRequest, response *raft.RequestPreVoteResponse) error {
	return e.call(channelKey{peer{id, target}, control}, request, response)
}

// TimeoutNow has a node stand for election at once.
func (e *node) TimeoutNow(id raft.ServerID, target raft.ServerAddress, request *raft.TimeoutNowRequest, response *raft.TimeoutNowResponse) error {
	return e.call(channelKey{peer{id, target}, control}, request, response)
}

// call sends a request and waits for the answer.
func (e *node) call(to channelKey, request, response any) error {
	ctx, cancel := context.WithTimeout(context.Background(), endpoint.Patience(e.config.Timeout, wire.Size(request)))
	defer cancel()
	ctx = e.hello(ctx, to.peer)
	answer := reply{response: response}
	_, once := request.(*raft.TimeoutNowRequest)
	err := e.try(to, !once, func(channel *grpc.ClientConn) error {
		return channel.Invoke(ctx, methodCall, &call{request}, &answer)
	})
	if err != nil {
		return to.wrap(err)
	}
	return answer.err
}

// try does something with the channel to a peer. A channel that fails is closed; should it have been there before, the
// peer has most likely been restarted, and where that does no harm it is tried again on a new one, at once instead of when
// gRPC thinks that it is time.
func (e *node) try(to channelKey, again bool, do func(*grpc.ClientConn) error) error {
	for {
		channel, old, err := e.channel(to)
		if err != nil {
			return err
		}
		err = do(channel)
		if status.Code(err) != codes.Unavailable {
			return err
		}
		e.drop(to, channel)
		if !old || !again || e.isClosed() {
			return err
		}
	}
}

// channel returns the channel to a peer and whether it has been there before.
func (e *node) channel(to channelKey) (channel *grpc.ClientConn, old bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, false, endpoint.ErrClosed
	}
	if known := e.channels[to]; known != nil {
		return known, true, nil
	}
	channel, err = e.connect(string(to.address)) // which does no I/O yet
	if err != nil {
		return nil, false, err
	}
	e.channels[to] = channel
	return channel, false, nil
}

func (e *node) drop(to channelKey, channel *grpc.ClientConn) {
	e.mu.Lock()
	if e.channels[to] == channel {
		delete(e.channels, to)
	}
	e.mu.Unlock()
	_ = channel.Close()
}

func (e *node) connect(address string) (*grpc.ClientConn, error) {
	var security credentials.TransportCredentials = plainCredentials{insecure.NewCredentials()}
	if e.config.TLS != nil {
		security = credentials.NewTLS(endpoint.ClientTLS(e.config.TLS, address))
	}
	channel, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(security),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { // and no proxy of the environment
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodecV2(codec{}), grpc.MaxCallSendMsgSize(e.config.MaxMessage), grpc.MaxCallRecvMsgSize(e.config.MaxMessage),
		),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: time.Second, MaxDelay: time.Second, Multiplier: 1}, MinConnectTimeout: e.config.Timeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepAlive, Timeout: e.config.Timeout}),
		grpc.WithReadBufferSize(bufferSize),
		grpc.WithWriteBufferSize(bufferSize),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connWindow),
		grpc.WithIdleTimeout(e.options.Idle/5),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
	)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	return channel, nil
}

// wrap says which peer it was, and leaves out what gRPC puts around the reason.
func (p peer) wrap(err error) error {
	var remote *wire.RemoteError
	if err == nil || errors.As(err, &remote) {
		return err
	}
	if s, ok := status.FromError(err); ok {
		if s.Code() == codes.DeadlineExceeded {
			return fmt.Errorf("node %q at %s: %s: %w", p.id, p.address, s.Message(), os.ErrDeadlineExceeded)
		}
		return fmt.Errorf("node %q at %s: %s", p.id, p.address, s.Message())
	}
	return fmt.Errorf("node %q at %s: %w", p.id, p.address, err)
}
