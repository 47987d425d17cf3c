package grpc

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
)

const (
	methodCall    = "/s3lect.raft.v1.Transport/Call"
	methodAppend  = "/s3lect.raft.v1.Transport/Append"
	methodInstall = "/s3lect.raft.v1.Transport/Install"
)

var (
	appendStream  = grpc.StreamDesc{StreamName: "Append", Handler: admitted((*node).serveAppend), ServerStreams: true, ClientStreams: true}
	installStream = grpc.StreamDesc{StreamName: "Install", Handler: admitted((*node).serveInstall), ClientStreams: true}
)

// service is what a node offers. Call is a method with one request and one answer; on the wire that is a stream like any other,
// and handled as one a message that cannot be read is seen here, and not only by the peer.
var service = grpc.ServiceDesc{
	ServiceName: "s3lect.raft.v1.Transport",
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{
		{StreamName: "Call", Handler: admitted((*node).serveCall), ServerStreams: true},
		appendStream,
		installStream,
	},
}

// admitted has the handler be called for those that are let in, and logs what goes wrong.
func admitted(handle func(*node, grpc.ServerStream) error) grpc.StreamHandler {
	return func(server any, stream grpc.ServerStream) error {
		e, ok := server.(*node)
		if !ok {
			return status.Error(codes.Internal, "not a node")
		}
		hello := readHello(stream.Context())
		if err := hello.Judge(e.config.ClusterID, e.config.NodeID); err != nil {
			e.refuse(remote(stream), err)
			return status.Error(codes.FailedPrecondition, "refused by the peer: "+err.Error())
		}
		err := handle(e, stream)
		if err == nil || isHangUp(err) || e.isClosed() {
			return err
		}
		e.config.Logger.Warn("ended the call of a node", slog.String("node", hello.From),
			slog.String("remote", remote(stream).String()), slog.String("error", status.Convert(err).Message()))
		return err
	}
}

// isHangUp says whether a call ended without anybody having done wrong.
func isHangUp(err error) bool {
	switch status.Code(err) {
	case codes.Canceled, codes.DeadlineExceeded:
		return true
	default:
		return false
	}
}

func remote(stream grpc.ServerStream) net.Addr {
	if p, ok := grpcpeer.FromContext(stream.Context()); ok {
		return p.Addr
	}
	return &net.TCPAddr{}
}

func (e *node) serveCall(stream grpc.ServerStream) error { return e.serveOne(stream) }

// serveAppend answers the requests of a pipeline, one after the other.
func (e *node) serveAppend(stream grpc.ServerStream) error {
	for {
		if err := e.serveOne(stream); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func (e *node) serveOne(stream grpc.ServerStream) error {
	var c call
	if err := stream.RecvMsg(&c); err != nil {
		return err
	}
	if _, ok := c.request.(*raft.InstallSnapshotRequest); ok {
		return status.Error(codes.InvalidArgument, "a snapshot is no message")
	}
	response, answer, err := e.Serve(c.request, nil)
	if err != nil {
		return unavailable(err)
	}
	return stream.SendMsg(&reply{response, answer})
}

// unavailable says that the engine has not answered. Closed endpoints may be tried again elsewhere.
func unavailable(err error) error {
	if errors.Is(err, endpoint.ErrClosed) {
		return status.Error(codes.Unavailable, err.Error())
	}
	return status.Error(codes.ResourceExhausted, err.Error())
}

// serveInstall hands a snapshot to the engine while it arrives.
func (e *node) serveInstall(stream grpc.ServerStream) error {
	var c call
	if err := stream.RecvMsg(&c); err != nil {
		return err
	}
	request, ok := c.request.(*raft.InstallSnapshotRequest)
	if !ok {
		return status.Errorf(codes.InvalidArgument, "a %T where a snapshot begins", c.request)
	}
	type result struct {
		reply
		err error
	}
	results := make(chan result, 1)
	data := &snapshotReader{chunks: make(chan chunk), failure: make(chan error, 1), left: request.Size, stall: e.stall}
	if err := e.spawn(func() {
		response, answer, err := e.Serve(request, data)
		results <- result{reply{response, answer}, err}
		data.discard()
	}); err != nil {
		return unavailable(err)
	}
	data.fill(stream)
	select {
	case r := <-results:
		if r.err != nil {
			return unavailable(r.err)
		}
		return stream.SendMsg(&r.reply)
	case <-stream.Context().Done():
		return status.FromContextError(stream.Context().Err()).Err()
	}
}

// snapshotReader is what the engine reads a snapshot from, on a goroutine of its own, while the handler receives it. It
// fails rather than wait for long: the engine does nothing else while it reads, not even vote.
type snapshotReader struct {
	chunks  chan chunk
	failure chan error // why chunks was closed, if that is not the end
	current *mem.Reader
	left    int64
	stall   time.Duration
}

// fill receives the snapshot to its end.
func (r *snapshotReader) fill(stream grpc.ServerStream) {
	defer close(r.chunks)
	for {
		var c chunk
		if err := stream.RecvMsg(&c); err != nil {
			if !errors.Is(err, io.EOF) {
				r.failure <- err
			}
			return
		}
		select {
		case r.chunks <- c:
		case <-stream.Context().Done():
			c.got.Free()
			r.failure <- stream.Context().Err()
			return
		}
	}
}

func (r *snapshotReader) Read(b []byte) (int, error) {
	for r.left > 0 {
		if r.current == nil {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.current.Read(b[:min(int64(len(b)), r.left)])
		r.left -= int64(n)
		if errors.Is(err, io.EOF) || r.current.Remaining() == 0 {
			_ = r.current.Close() // gives its memory back
			r.current = nil
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

func (r *snapshotReader) next() error {
	timer := time.NewTimer(r.stall)
	defer timer.Stop()
	select {
	case c, ok := <-r.chunks:
		if !ok {
			select {
			case err := <-r.failure:
				r.failure <- err
				return err
			default:
				return io.ErrUnexpectedEOF
			}
		}
		r.current = c.got.Reader()
		c.got.Free() // the reader holds it
		return nil
	case <-timer.C:
		return os.ErrDeadlineExceeded
	}
}

// discard takes what the engine has not read. What it is reading from stays: after Close it may still be at it.
func (r *snapshotReader) discard() {
	for c := range r.chunks {
		c.got.Free()
	}
}
