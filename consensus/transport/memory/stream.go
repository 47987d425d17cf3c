package memory

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/wire"
)

// AppendEntriesPipeline opens a way for entries, on which several messages may be at a time.
func (e *node) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	to := peer{id, target}
	t := e.newTrip(e.config.Timeout)
	defer t.end()
	receiver, err := t.connect(to)
	if err != nil {
		return nil, to.wrap(err)
	}
	if err := t.refused(to, nil); err != nil {
		return nil, to.wrap(err)
	}
	s := &stream{
		from:     e,
		to:       to,
		requests: make(chan request, endpoint.InFlight),
		replies:  make(chan []byte, endpoint.InFlight),
		closed:   make(chan struct{}),
	}
	if err := receiver.spawn(func() { s.serve(receiver) }); err != nil {
		return nil, to.wrap(errReset)
	}
	p := endpoint.NewPipeline(s, e.config.Timeout, e.Done())
	if err := e.spawn(p.Run); err != nil {
		_ = s.Close()
		return nil, err
	}
	return p, nil
}

// stream is the way of a pipeline. A message that is lost is the last one, as with a connection that breaks.
type stream struct {
	from     *node
	to       peer
	requests chan request
	replies  chan []byte
	closed   chan struct{}
	once     sync.Once
}

// request is one on its way.
type request struct {
	message
	body []byte
}

func (s *stream) Send(r *raft.AppendEntriesRequest) error {
	b, err := s.from.encode(r)
	if err != nil {
		return s.to.wrap(err)
	}
	sent := request{s.from.network.send(s.from.config.NodeID, string(s.to.id)), b}
	select {
	case <-s.closed:
		return s.to.wrap(errReset)
	default:
	}
	select {
	case s.requests <- sent: // there are as many places as may be in flight
		return nil
	case <-s.closed:
		return s.to.wrap(errReset)
	}
}

func (s *stream) Receive(request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	t := s.from.newTrip(endpoint.Patience(s.from.config.Timeout, wire.Size(request)))
	t.closed = s.closed
	defer t.end()
	return s.to.wrap(t.receive(s.to, s.replies, response))
}

func (s *stream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// serve is the receiver's end. Once a message is lost it only waits for the other end to notice.
func (s *stream) serve(receiver *node) {
	for {
		var r request
		select {
		case r = <-s.requests:
		case <-s.closed:
			return
		case <-receiver.Done():
			close(s.replies) // answers nothing, which is an end
			return
		}
		if !s.arrive(receiver, r.message) {
			select {
			case <-s.closed:
			case <-receiver.Done():
			}
			return
		}
		s.replies <- receiver.serve(r.body, nil)
	}
}

func (s *stream) arrive(receiver *node, m message) bool {
	if wait := time.Until(m.arrival); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.closed:
			return false
		case <-receiver.Done():
			return false
		}
	}
	return receiver.network.arrives(m)
}

// InstallSnapshot streams a snapshot to a peer.
func (e *node) InstallSnapshot(
	id raft.ServerID, target raft.ServerAddress, request *raft.InstallSnapshotRequest, response *raft.InstallSnapshotResponse, data io.Reader,
) error {
	to := peer{id, target}
	b, err := e.encode(request)
	if err != nil {
		return to.wrap(err)
	}
	t := e.newTrip(e.config.Timeout)
	defer t.end()
	receiver, err := t.connect(to)
	if err != nil {
		return to.wrap(err)
	}
	reader, writer := io.Pipe()
	replies := make(chan []byte, 1)
	if err := receiver.spawn(func() {
		reply := receiver.serve(b, &snapshot{reader, request.Size})
		replies <- reply
		if reply != nil {
			_, _ = io.Copy(io.Discard, reader) // what the engine did not want to read; the sender bounds it
		}
		_ = reader.CloseWithError(errReset)
	}); err != nil {
		return to.wrap(errReset)
	}
	sent := make(chan struct{})
	defer close(sent)
	if err := e.spawn(func() {
		select {
		case <-e.Done():
			_ = writer.CloseWithError(endpoint.ErrClosed)
		case <-sent:
		}
	}); err != nil {
		return err
	}
	err = e.sendSnapshot(to, request.Size, data, writer)
	_ = writer.CloseWithError(err) // io.EOF if there is no error
	if err != nil {
		return to.wrap(err)
	}
	return to.wrap(e.awaitSnapshot(to, request.Size, replies, response))
}

// snapshot is what the receiver reads.
type snapshot struct {
	*io.PipeReader
	left int64
}

func (s *snapshot) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.PipeReader.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	if errors.Is(err, io.EOF) && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (e *node) sendSnapshot(to peer, size int64, data io.Reader, writer *io.PipeWriter) error {
	stall := endpoint.Stall(0, e.config.Timeout)
	watch := time.AfterFunc(stall, func() { _ = writer.CloseWithError(os.ErrDeadlineExceeded) })
	defer watch.Stop()
	chunk := make([]byte, endpoint.SnapshotChunk)
	for sent := int64(0); sent < size; {
		watch.Reset(stall)
		n, err := io.ReadFull(data, chunk[:min(int64(len(chunk)), size-sent)])
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return fmt.Errorf("read snapshot: it ends after %d of %d bytes", sent+int64(n), size)
		case err != nil:
			return fmt.Errorf("read snapshot: %w", err)
		}
		if err := e.sendChunk(to, chunk[:n], writer, stall); err != nil {
			return fmt.Errorf("send snapshot, %d of %d bytes: %w", sent, size, err)
		}
		sent += int64(n)
	}
	return nil
}

func (e *node) sendChunk(to peer, chunk []byte, writer *io.PipeWriter, stall time.Duration) error {
	t := e.newTrip(stall)
	defer t.end()
	if err := t.travel(e.network.send(e.config.NodeID, string(to.id))); err != nil {
		return err
	}
	_, err := writer.Write(chunk)
	return err
}

// awaitSnapshot waits for the receiver to have put the snapshot to use, for as long as there is a way for its signs of life.
func (e *node) awaitSnapshot(to peer, size int64, replies <-chan []byte, response any) error {
	stall := endpoint.Stall(0, e.config.Timeout)
	t := e.newTrip(endpoint.SnapshotPatience(e.config.Timeout, size))
	defer t.end()
	life := time.NewTicker(endpoint.SignOfLife(stall))
	defer life.Stop()
	heard := time.Now()
	for {
		select {
		case reply := <-replies:
			known := make(chan []byte, 1)
			known <- reply
			return t.receive(to, known, response)
		case <-t.expired.C:
			return os.ErrDeadlineExceeded
		case <-e.Done():
			return endpoint.ErrClosed
		case now := <-life.C:
			if !e.network.isCut(string(to.id), e.config.NodeID) {
				heard = now
			} else if now.Sub(heard) >= stall {
				return os.ErrDeadlineExceeded
			}
		}
	}
}
