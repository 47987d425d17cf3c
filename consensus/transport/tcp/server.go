package tcp

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/wire"
)

// accept lets connections in until the endpoint is closed. Nothing that a connection does holds up the next.
func (e *node) accept() {
	const retry = 50 * time.Millisecond // when the process has run out of file descriptors, for one
	for {
		raw, err := e.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			e.config.Logger.Error("cannot accept connections", slog.String("address", string(e.address)), slog.String("error", err.Error()))
			select {
			case <-time.After(retry):
				continue
			case <-e.ctx.Done():
				return
			}
		}
		if err := e.enter(raw); err != nil && !errors.Is(err, endpoint.ErrClosed) {
			e.refusals.Log(raw.RemoteAddr(), err)
		}
	}
}

// enter begins to serve a connection, if there are not too many.
func (e *node) enter(raw net.Conn) error {
	if err := e.gate.Enter(raw); err != nil {
		return err
	}
	return e.spawn(func() {
		defer e.gate.Leave(raw)
		defer raw.Close()
		e.serve(raw)
	})
}

func (e *node) serve(raw net.Conn) {
	c, err := e.welcome(raw)
	if err != nil {
		if !e.isClosed() {
			e.refusals.Log(raw.RemoteAddr(), err)
			endpoint.Linger(raw)
		}
		return
	}
	if err := e.answerAll(c); err != nil && !e.isClosed() {
		level := slog.LevelWarn
		if isHangUp(err) {
			level = slog.LevelDebug // whoever stops or is killed does it
		}
		e.config.Logger.Log(e.ctx, level, "closed the connection of a node", slog.String("node", c.peer),
			slog.String("remote", raw.RemoteAddr().String()), slog.String("error", err.Error()))
	}
}

// isHangUp says whether a connection broke without anybody having done wrong.
func isHangUp(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && !operation.Timeout()
}

func (e *node) isClosed() bool { return e.ctx.Err() != nil }

// welcome finds out who has connected. It takes no longer than the time-out.
func (e *node) welcome(raw net.Conn) (*conn, error) {
	deadline := time.Now().Add(e.config.Timeout)
	_ = raw.SetDeadline(deadline) // fails on closed connections only, and then so does all that follows
	secured := raw
	if e.config.TLS != nil {
		session := tls.Server(raw, endpoint.ServerTLS(e.config.TLS))
		if err := session.HandshakeContext(e.ctx); err != nil {
			return nil, fmt.Errorf("TLS handshake: %w", explain(raw, err))
		}
		secured = session
	}
	c := &conn{
		Conn: secured, raw: raw, reader: bufio.NewReaderSize(secured, readBuffer), limit: e.config.MaxMessage, release: func() {},
	}
	peer, err := readHello(c.reader)
	if err == nil {
		err = peer.Judge(e.config.ClusterID, e.config.NodeID)
	}
	answer := welcome{cluster: e.config.ClusterID, node: e.config.NodeID}
	if err != nil {
		answer.refusal = err.Error()
	}
	if _, failure := secured.Write(answer.append(nil)); err == nil {
		err = failure
	}
	if err != nil {
		return nil, err
	}
	c.peer = peer.From
	e.gate.Known(raw)
	return c, raw.SetDeadline(time.Time{})
}

// explain tells a peer that does not speak TLS that it is expected to, by the alert that TLS has for that, and says what has
// come instead.
func explain(raw net.Conn, err error) error {
	var noTLS tls.RecordHeaderError
	if !errors.As(err, &noTLS) || noTLS.Conn == nil {
		return err
	}
	const fatal, unexpectedMessage = 2, 10
	_, _ = raw.Write([]byte{tlsAlert, 3, 1, 0, 2, fatal, unexpectedMessage})
	if string(noTLS.RecordHeader[:]) == magic[:len(noTLS.RecordHeader)] {
		return errors.New("the peer is a node without TLS: configure a certificate on both or on neither")
	}
	return fmt.Errorf("the peer does not speak TLS: %w", err)
}

// answerAll answers the requests of a connection, one after the other, until it is silent for too long, closed or no
// longer makes sense.
func (e *node) answerAll(c *conn) error {
	for {
		request, err := e.readRequest(c)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errIdle):
			return nil
		case err != nil:
			return err
		}
		if snapshot, ok := request.(*raft.InstallSnapshotRequest); ok {
			return e.receiveSnapshot(c, snapshot)
		}
		response, answer, err := e.Serve(request, nil)
		if err != nil {
			return err
		}
		if err := e.respond(c, response, answer); err != nil {
			return err
		}
	}
}

// errIdle says that a connection has been silent for too long.
var errIdle = errors.New("idle")

func (e *node) readRequest(c *conn) (any, error) {
	_ = c.SetReadDeadline(time.Now().Add(e.options.Idle))
	size, err := c.readSize()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && c.reader.Buffered() == 0:
		return nil, errIdle
	case err != nil:
		return nil, err
	}
	_ = c.SetReadDeadline(time.Now().Add(endpoint.Patience(e.config.Timeout, size)))
	body, err := c.readBody(size)
	if err != nil {
		return nil, fmt.Errorf("read a message of %d bytes: %w", size, err)
	}
	return wire.DecodeRequest(body)
}

func (e *node) respond(c *conn, response any, answer error) error {
	b, err := wire.AppendResponse(c.begin(), response, answer)
	if err != nil {
		return err
	}
	_ = c.SetWriteDeadline(time.Now().Add(e.config.Timeout))
	return c.write(b)
}

// receiveSnapshot hands a snapshot to the engine while it arrives. The connection serves nothing else: after an error
// nobody knows where in the stream it is.
func (e *node) receiveSnapshot(c *conn, request *raft.InstallSnapshotRequest) error {
	type result struct {
		response    any
		answer, err error
	}
	results := make(chan result, 1)
	if err := e.spawn(func() {
		var r result
		r.response, r.answer, r.err = e.Serve(request, &snapshotReader{c: c, left: request.Size, stall: e.stall})
		results <- r
	}); err != nil {
		return err
	}
	life := time.NewTicker(endpoint.SignOfLife(e.stall))
	defer life.Stop()
	for {
		select {
		case r := <-results:
			if r.err != nil {
				return r.err
			}
			return e.respond(c, r.response, r.answer)
		case <-life.C:
			_ = c.SetWriteDeadline(time.Now().Add(e.config.Timeout))
			if err := c.write(wire.AppendWorking(c.begin())); err != nil {
				_ = c.raw.Close() // the engine is to notice, too
				r := <-results
				return errors.Join(err, r.answer)
			}
		}
	}
}

// snapshotReader reads a snapshot off a connection. It fails rather than wait for long: the engine does nothing else
// while it reads, not even vote.
type snapshotReader struct {
	c     *conn
	left  int64
	stall time.Duration
}

func (r *snapshotReader) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	_ = r.c.SetReadDeadline(time.Now().Add(r.stall))
	n, err := r.c.reader.Read(b[:min(int64(len(b)), r.left)])
	r.left -= int64(n)
	if r.left > 0 {
		err = unexpected(err)
	}
	return n, err
}
