package tcp

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/wire"
)

// AppendEntriesPipeline opens a connection for entries, of which several messages may be on the way.
func (e *node) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	to := peer{id, target}
	c, err := e.dial(to, time.Now().Add(e.config.Timeout))
	if err != nil {
		return nil, to.wrap(err)
	}
	s := &stream{conn: c, to: to, timeout: e.config.Timeout}
	p := endpoint.NewPipeline(s, e.config.Timeout, e.Done())
	if err := e.spawn(p.Run); err != nil {
		_ = c.Close()
		return nil, err
	}
	return p, nil
}

// stream is the connection of a pipeline.
type stream struct {
	*conn
	to      peer
	timeout time.Duration
}

func (s *stream) Send(request *raft.AppendEntriesRequest) error {
	b, err := wire.AppendRequest(s.begin(), request)
	if err != nil {
		return err
	}
	_ = s.SetWriteDeadline(time.Now().Add(endpoint.Patience(s.timeout, len(b))))
	return s.to.wrap(s.write(b))
}

func (s *stream) Receive(request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	_ = s.SetReadDeadline(time.Now().Add(endpoint.Patience(s.timeout, wire.Size(request))))
	body, err := s.read()
	if err != nil {
		return s.to.wrap(unexpected(err))
	}
	return s.to.wrap(wire.DecodeResponse(body, response))
}

// InstallSnapshot streams a snapshot to a peer on a connection of its own.
func (e *node) InstallSnapshot(
	id raft.ServerID, target raft.ServerAddress, request *raft.InstallSnapshotRequest, response *raft.InstallSnapshotResponse, data io.Reader,
) error {
	to := peer{id, target}
	c, err := e.dial(to, time.Now().Add(e.config.Timeout))
	if err != nil {
		return to.wrap(err)
	}
	defer c.Close()
	if err := e.sendSnapshot(c, request, data); err != nil {
		return to.wrap(err)
	}
	return to.wrap(e.awaitSnapshot(c, request.Size, response))
}

func (e *node) sendSnapshot(c *conn, request *raft.InstallSnapshotRequest, data io.Reader) error {
	b, err := wire.AppendRequest(c.begin(), request)
	if err != nil {
		return err
	}
	_ = c.SetWriteDeadline(time.Now().Add(e.config.Timeout))
	if err := c.write(b); err != nil {
		return err
	}
	// The buffer is given, and the connection's own ways around it are hidden, so that each write has a deadline.
	buffer := make([]byte, endpoint.SnapshotChunk)
	n, err := io.CopyBuffer(&snapshotWriter{c, e.stall}, struct{ io.Reader }{io.LimitReader(data, request.Size)}, buffer)
	switch {
	case err != nil:
		return fmt.Errorf("send snapshot, %d of %d bytes: %w", n, request.Size, err)
	case n < request.Size:
		return fmt.Errorf("read snapshot: it ends after %d of %d bytes", n, request.Size)
	default:
		return nil
	}
}

// snapshotWriter writes a snapshot to a connection, which may stand still for a while, but not for ever.
type snapshotWriter struct {
	c     *conn
	stall time.Duration
}

func (w *snapshotWriter) Write(b []byte) (int, error) {
	_ = w.c.SetWriteDeadline(time.Now().Add(w.stall))
	return w.c.Write(b)
}

// awaitSnapshot waits for the receiver to have put the snapshot to use, for as long as it gives signs of life and the
// size asks for.
func (e *node) awaitSnapshot(c *conn, size int64, response *raft.InstallSnapshotResponse) error {
	patience := endpoint.SnapshotPatience(e.config.Timeout, size)
	deadline := time.Now().Add(patience)
	for {
		_ = c.SetReadDeadline(time.Now().Add(e.stall))
		body, err := c.read()
		switch {
		case err != nil:
			return fmt.Errorf("wait for the snapshot to be installed: %w", unexpected(err))
		case !wire.StillWorking(body):
			return wire.DecodeResponse(body, response)
		case time.Now().After(deadline):
			return fmt.Errorf("wait for the snapshot to be installed: not done after %v: %w", patience, context.DeadlineExceeded)
		}
	}
}
