package grpc

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/mem"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/wire"
)

// call is a request on its way: what is sent is a request of the engine, and so is what arrives.
type call struct{ request any }

// reply is an answer on its way. On the side that receives it, response is what it is read into.
type reply struct {
	response any
	err      error // of the peer's engine
}

// chunk is a piece of a snapshot. Whoever receives one frees it.
type chunk struct {
	send []byte
	got  mem.BufferSlice
}

// codec writes messages as package wire does. Its buffers come from gRPC's pool.
type codec struct{}

// Name is the content subtype of what it writes.
func (codec) Name() string { return "s3lect" }

// Marshal writes a message.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	pool := mem.DefaultBufferPool()
	switch m := v.(type) {
	case *call:
		b := pool.Get(wire.Size(m.request))
		written, err := wire.AppendRequest((*b)[:0], m.request)
		if err != nil {
			return nil, err
		}
		*b = written // has not moved: Size is an upper bound
		return mem.BufferSlice{mem.NewBuffer(b, pool)}, nil
	case *reply:
		b, err := wire.AppendResponse(nil, m.response, m.err)
		return mem.BufferSlice{mem.SliceBuffer(b)}, err
	case *chunk:
		return mem.BufferSlice{mem.Copy(m.send, pool)}, nil
	default:
		return nil, fmt.Errorf("no encoding for %T", v)
	}
}

// Unmarshal reads a message.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*chunk); ok {
		data.Ref()
		m.got = data
		return nil
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	switch m := v.(type) {
	case *call:
		request, err := wire.DecodeRequest(buffer.ReadOnlyData())
		m.request = request
		return err
	case *reply:
		err := wire.DecodeResponse(buffer.ReadOnlyData(), m.response)
		var remote *wire.RemoteError
		if errors.As(err, &remote) {
			m.err, err = remote, nil
		}
		return err
	default:
		return fmt.Errorf("no decoding for %T", v)
	}
}
