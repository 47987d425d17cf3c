package tcp_test

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/tcp"
)

func open(t *testing.T, options tcp.Options, id string) transport.Endpoint {
	t.Helper()
	e, err := tcp.New(options).Open(transport.Config{
		ClusterID: "tests", NodeID: id, Bind: "127.0.0.1:0", Timeout: 2 * time.Second, MaxMessage: 64 << 20, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	e.SetHeartbeatHandler(func(rpc raft.RPC) { rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil) })
	return e
}

func beat(from, b transport.Endpoint) error {
	request := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{Addr: []byte("x")}, Term: 1}
	return from.AppendEntries("b", b.LocalAddr(), request, new(raft.AppendEntriesResponse))
}

// join says hello as a member, in the bytes that the package documents, and returns the connection.
func join(t *testing.T, to transport.Endpoint) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", string(to.LocalAddr()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_, err = c.Write([]byte("s3lraft\x01\x05tests\x01x\x01b"))
	require.NoError(t, err)
	welcome := make([]byte, len("s3lraft\x01\x05tests\x01b\x00"))
	_, err = io.ReadFull(c, welcome)
	require.NoError(t, err)
	require.Equal(t, "s3lraft\x01\x05tests\x01b\x00", string(welcome))
	return c
}

// A length costs its sender nothing. Room is made only for what has come.
func TestALengthAloneIsNotAllocatedFor(t *testing.T) {
	const conns, claim = 20, 60 << 20
	b := open(t, tcp.Options{}, "b")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range conns {
		c := join(t, b)
		_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, claim), make([]byte, 100<<10)...))
		require.NoError(t, err)
	}
	require.NoError(t, beat(open(t, tcp.Options{}, "a"), b))
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(claim/2), "%d connections have sent 100 KiB each", conns)
}

func TestALengthAboveTheLimitEndsTheConnection(t *testing.T) {
	b := open(t, tcp.Options{}, "b")
	c := join(t, b)
	_, err := c.Write(binary.BigEndian.AppendUint32(nil, 64<<20+1))
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestAMessageThatDoesNotArriveEndsTheConnection(t *testing.T) {
	b := open(t, tcp.Options{}, "b")
	c := join(t, b)
	_, err := c.Write([]byte{0, 0, 0, 9, 1, 2})
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestAnotherVersionIsRefusedByName(t *testing.T) {
	b := open(t, tcp.Options{}, "b")
	c, err := net.Dial("tcp", string(b.LocalAddr()))
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("s3lraft\x02\x05tests\x01x\x01b"))
	require.NoError(t, err)
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Contains(t, string(answer), "version 2")
}

func TestAnIdleConnectionIsClosedByTheServer(t *testing.T) {
	b := open(t, tcp.Options{Idle: 200 * time.Millisecond}, "b")
	c := join(t, b)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestConnectionsAboveTheLimitAreRefused(t *testing.T) {
	a, b := open(t, tcp.Options{}, "a"), open(t, tcp.Options{MaxConnections: 2}, "b")
	join(t, b)
	last := join(t, b)
	require.Error(t, beat(a, b))
	require.NoError(t, last.Close())
	require.Eventually(t, func() bool { return beat(a, b) == nil }, 20*time.Second, 5*time.Millisecond)
}

// Members get in although strangers hold every place for handshakes, again and again.
func TestStrangersDoNotKeepMembersOut(t *testing.T) {
	b := open(t, tcp.Options{MaxHandshakes: 4}, "b")
	for range 50 {
		c, err := net.Dial("tcp", string(b.LocalAddr()))
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
	}
	for range 5 {
		require.NoError(t, beat(open(t, tcp.Options{}, "a"), b))
	}
}
