package tcp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/wire"
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
	start := time.Now()
	c := e.take(to)
	if _, once := request.(*raft.TimeoutNowRequest); c != nil && !once {
		err := e.exchange(to, c, start, request, response)
		if !isStale(err) || e.isClosed() {
			return to.wrap(err)
		}
		// The peer has closed the connection while nobody used it, most likely because it was restarted. The request may
		// have been read, which does no harm: Raft's messages may come twice.
		e.dropPool(to)
	} else if c != nil {
		_ = c.Close()
	}
	c, err := e.dial(to, start.Add(e.config.Timeout))
	if err != nil {
		return to.wrap(err)
	}
	return to.wrap(e.exchange(to, c, start, request, response))
}

// exchange sends a request on a connection of its own and puts the connection into the pool if it is still sound.
func (e *node) exchange(to peer, c *conn, start time.Time, request, response any) error {
	err := e.ask(c, start, request, response)
	if remote := (*wire.RemoteError)(nil); err == nil || errors.As(err, &remote) {
		e.keep(to, c)
		return err
	}
	_ = c.Close()
	return err
}

func (e *node) ask(c *conn, start time.Time, request, response any) error {
	b, err := wire.AppendRequest(c.begin(), request)
	if err != nil {
		return err
	}
	_ = c.SetDeadline(start.Add(endpoint.Patience(e.config.Timeout, len(b))))
	if err := c.write(b); err != nil {
		return err
	}
	body, err := c.read()
	if err != nil {
		return unexpected(err)
	}
	return wire.DecodeResponse(body, response)
}

// isStale says whether the connection was gone already.
func isStale(err error) bool {
	var remote *wire.RemoteError
	var large *tooLargeError
	return err != nil && !errors.As(err, &remote) && !errors.As(err, &large) &&
		!errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, wire.ErrMalformed)
}

func (p peer) wrap(err error) error {
	var remote *wire.RemoteError
	if err == nil || errors.As(err, &remote) {
		return err
	}
	return fmt.Errorf("node %q at %s: %w", p.id, p.address, err)
}

// dial connects to a peer and finds out whether it is the one.
func (e *node) dial(to peer, deadline time.Time) (*conn, error) {
	ctx, cancel := context.WithDeadline(e.ctx, deadline)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", string(to.address))
	if err != nil {
		return nil, err
	}
	if err := e.open(raw); err != nil {
		return nil, err
	}
	c := &conn{raw: raw, peer: string(to.id), limit: e.config.MaxMessage, release: func() { e.forget(raw) }}
	if err := e.greet(ctx, c, to, deadline); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func (e *node) greet(ctx context.Context, c *conn, to peer, deadline time.Time) error {
	_ = c.raw.SetDeadline(deadline) // fails on closed connections only, and then so does all that follows
	c.Conn = c.raw
	if e.config.TLS != nil {
		session := tls.Client(c.raw, endpoint.ClientTLS(e.config.TLS, string(to.address)))
		if err := session.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		c.Conn = session
	}
	c.reader = bufio.NewReaderSize(c.Conn, readBuffer)
	greeting := hello{endpoint.Hello{Cluster: e.config.ClusterID, From: e.config.NodeID, To: string(to.id)}}
	if _, err := c.Write(greeting.append(nil)); err != nil {
		return fmt.Errorf("send greeting: %w", err)
	}
	answer, err := readWelcome(c.reader)
	if err != nil {
		return err
	}
	if err := answer.judge(e.config.ClusterID, e.config.NodeID, string(to.id)); err != nil {
		return err
	}
	return c.raw.SetDeadline(time.Time{})
}
