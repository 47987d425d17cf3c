package transporttest

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

func small(c *transport.Config) { c.MaxMessage = 64 << 10 }

// tooLarge has the sender refuse what is above its own limit, and the receiver what is above its.
func tooLarge(t *testing.T, f *fixture) {
	t.Helper()
	a, b, c := f.open(t, "a"), f.open(t, "b", small).answer(agree), f.open(t, "c", small)
	var response raft.AppendEntriesResponse

	err := c.AppendEntries(b.id, b.LocalAddr(), entries(1, 1, 100<<10), &response)
	require.ErrorContains(t, err, "65536")
	require.NoError(t, c.AppendEntries(b.id, b.LocalAddr(), entries(1, 1, 60<<10), &response))

	large := entries(1, 1, 7<<20)
	require.Error(t, a.AppendEntries(b.id, b.LocalAddr(), large, &response))
	if !f.suite.Bubble {
		b.log.await(t, "65536")
	}
	p := a.pipeline(t, b)
	if future, err := p.AppendEntries(large, new(raft.AppendEntriesResponse)); err == nil {
		require.Error(t, future.Error())
	}
	require.NoError(t, a.append(b, 1), "smaller ones get through")
}

func anotherCluster(t *testing.T, f *fixture) {
	t.Helper()
	a := f.open(t, "a")
	b := f.open(t, "b", func(c *transport.Config) { c.ClusterID = "others" }).answer(agree)
	for name, call := range everyCall(a, b.id, b.LocalAddr()) {
		err := call()
		require.ErrorContains(t, err, "tests", name)
		require.ErrorContains(t, err, "others", name)
	}
	_, err := a.install(b.id, b.LocalAddr(), 10, newRandom(10))
	require.ErrorContains(t, err, "others")
	b.log.await(t, "tests", "others")
}

// anotherNode is reached where b was meant to be: it must not be taken for b, whose vote it would give.
func anotherNode(t *testing.T, f *fixture) {
	t.Helper()
	a, c := f.open(t, "a"), f.open(t, "c").answer(agree)
	for name, call := range everyCall(a, "b", c.LocalAddr()) {
		require.ErrorContains(t, call(), `"c"`, name)
	}
	c.log.await(t, `\"b\"`, `\"c\"`)
}

// garbage is sent to a node that others talk with meanwhile.
func garbage(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b").answer(agree)
	r := rand.New(rand.NewSource(1)) //nolint:gosec // the same bytes in each run
	noise := make([]byte, 100<<10)
	r.Read(noise)
	for i, bytes := range [][]byte{
		{0}, {0xff, 0xff, 0xff, 0xff}, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), noise, bytes.Repeat([]byte{0}, 1000),
		[]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + string(noise)), []byte("s3lraft\x01" + string(noise)), []byte("s3lraft\x02"),
	} {
		c := dialRaw(t, b)
		_, _ = c.Write(bytes) // the node may have hung up
		if i%2 == 0 {
			halfClose(c)
		}
		require.NoError(t, a.append(b, uint64(i+1)))
		_ = c.SetReadDeadline(time.Now().Add(Timeout + soon))
		assert.False(t, isTimeout(read(c)), "garbage %d keeps the connection", i)
	}
}

func read(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	return err
}

func halfClose(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the node may have hung up
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func dialRaw(t *testing.T, to *node) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", string(to.LocalAddr()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// silentStrangers open many connections and say nothing, or a byte now and then.
func silentStrangers(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b").answer(agree)
	conns := make([]net.Conn, 0, 200)
	for range cap(conns) {
		conns = append(conns, dialRaw(t, b))
	}
	for i, c := range conns {
		if i%2 == 0 {
			_, _ = c.Write([]byte("s"))
		}
	}
	require.NoError(t, a.append(b, 1))
	start := time.Now()
	for i, c := range conns {
		_ = c.SetReadDeadline(start.Add(Timeout + soon))
		require.False(t, isTimeout(read(c)), "connection %d is kept", i)
	}
	require.NoError(t, a.append(b, 2))
}
