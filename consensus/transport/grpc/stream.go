package grpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/wire"
)

// AppendEntriesPipeline opens a stream for entries, of which several messages may be on the way.
func (e *node) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	to := channelKey{peer{id, target}, log}
	s := &stream{to: to.peer, timeout: e.config.Timeout}
	if err := e.open(to, &appendStream, methodAppend, &s.guarded); err != nil {
		return nil, to.wrap(err)
	}
	s.receiving = newGuard(s.cancel)
	p := endpoint.NewPipeline(s, e.config.Timeout, e.Done())
	if err := e.spawn(p.Run); err != nil {
		s.cancel(err)
		return nil, err
	}
	return p, nil
}

// guarded is a stream of which no step takes for ever.
type guarded struct {
	grpc.ClientStream
	ctx     context.Context
	cancel  context.CancelCauseFunc
	sending *guard
}

// open begins a stream, connecting included, within the time-out.
func (e *node) open(to channelKey, desc *grpc.StreamDesc, method string, s *guarded) error {
	s.ctx, s.cancel = context.WithCancelCause(e.hello(context.Background(), to.peer))
	s.sending = newGuard(s.cancel)
	done := s.sending.within(e.config.Timeout)
	defer done()
	err := e.try(to, true, func(channel *grpc.ClientConn) (err error) {
		s.ClientStream, err = channel.NewStream(s.ctx, desc, method)
		return err
	})
	if err != nil {
		err = s.explain(err)
		s.cancel(err)
	}
	return err
}

// explain says why a stream was canceled by this side.
func (s *guarded) explain(err error) error {
	if cause := context.Cause(s.ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// guard cancels a stream that takes too long for a step.
type guard struct{ timer *time.Timer }

func newGuard(cancel context.CancelCauseFunc) *guard {
	timer := time.AfterFunc(time.Hour, func() { cancel(os.ErrDeadlineExceeded) })
	timer.Stop()
	return &guard{timer}
}

// within gives the step that begins so much time; the function that it returns says that the step is done.
func (g *guard) within(limit time.Duration) func() bool {
	g.timer.Reset(limit)
	return g.timer.Stop
}

var errEnded = errors.New("the peer has ended the stream")

// stream is that of a pipeline.
type stream struct {
	guarded
	to        peer
	timeout   time.Duration
	receiving *guard
}

func (s *stream) Send(request *raft.AppendEntriesRequest) error {
	done := s.sending.within(endpoint.Patience(s.timeout, wire.Size(request)))
	defer done()
	if err := s.SendMsg(&call{request}); err != nil {
		if errors.Is(err, io.EOF) { // the reason is what Receive gets
			err = errEnded
		}
		return s.to.wrap(s.explain(err))
	}
	return nil
}

func (s *stream) Receive(request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	done := s.receiving.within(endpoint.Patience(s.timeout, wire.Size(request)))
	defer done()
	answer := reply{response: response}
	if err := s.RecvMsg(&answer); err != nil {
		if errors.Is(err, io.EOF) {
			err = errEnded
		}
		return s.to.wrap(s.explain(err))
	}
	return answer.err
}

func (s *stream) Close() error {
	s.cancel(endpoint.ErrClosed)
	return nil
}

// InstallSnapshot streams a snapshot to a peer.
func (e *node) InstallSnapshot(
	id raft.ServerID, target raft.ServerAddress, request *raft.InstallSnapshotRequest, response *raft.InstallSnapshotResponse, data io.Reader,
) error {
	to := channelKey{peer{id, target}, snapshots}
	var s guarded
	if err := e.open(to, &installStream, methodInstall, &s); err != nil {
		return to.wrap(err)
	}
	defer s.cancel(nil)
	if err := s.sendSnapshot(request, data, e.stall); err != nil {
		return to.wrap(s.explain(err))
	}
	patience := endpoint.SnapshotPatience(e.config.Timeout, request.Size)
	done := s.sending.within(patience)
	defer done()
	answer := reply{response: response}
	if err := s.RecvMsg(&answer); err != nil {
		return to.wrap(fmt.Errorf("wait for the snapshot to be installed: %w", s.explain(err)))
	}
	return answer.err
}

// sendSnapshot sends the request and what belongs to it, and says that this is all.
func (s *guarded) sendSnapshot(request *raft.InstallSnapshotRequest, data io.Reader, stall time.Duration) error {
	done := s.sending.within(stall)
	if err := s.SendMsg(&call{request}); err != nil {
		return s.refused(err)
	}
	done()
	buffer := make([]byte, endpoint.SnapshotChunk)
	for sent := int64(0); sent < request.Size; {
		done := s.sending.within(stall)
		n, err := io.ReadFull(data, buffer[:min(int64(len(buffer)), request.Size-sent)])
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("read snapshot: it ends after %d of %d bytes", sent+int64(n), request.Size)
		case err != nil:
			return fmt.Errorf("read snapshot: %w", err)
		}
		if err := s.SendMsg(&chunk{send: buffer[:n]}); err != nil {
			return fmt.Errorf("send snapshot, %d of %d bytes: %w", sent, request.Size, s.explain(s.refused(err)))
		}
		done()
		sent += int64(n)
	}
	return s.CloseSend()
}

// refused returns the reason for which a stream does not take any more.
func (s *guarded) refused(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	var answer reply
	if err := s.RecvMsg(&answer); err != nil {
		return err
	}
	if answer.err != nil {
		return answer.err
	}
	return errEnded
}
