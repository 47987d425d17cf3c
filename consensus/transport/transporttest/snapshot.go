package transporttest

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"math/rand"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// install sends a snapshot.
func (n *node) install(to raft.ServerID, address raft.ServerAddress, size int64, data io.Reader) (raft.InstallSnapshotResponse, error) {
	var response raft.InstallSnapshotResponse
	err := n.InstallSnapshot(to, address, &raft.InstallSnapshotRequest{
		SnapshotVersion: raft.SnapshotVersionMax, Term: 3, LastLogIndex: 10, LastLogTerm: 2, Size: size, Configuration: configuration,
	}, &response, data)
	return response, err
}

// random is so many bytes, and the hash of what was read of them.
type random struct {
	io.Reader
	sum hash.Hash
}

func newRandom(size int64) random {
	sum := sha256.New()
	return random{io.TeeReader(io.LimitReader(rand.New(rand.NewSource(size)), size), sum), sum} //nolint:gosec // the same bytes in each run
}

func snapshotArrives(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	got := make(chan []byte, 1)
	b.answer(func(rpc raft.RPC) {
		sum := sha256.New()
		_, err := io.Copy(sum, rpc.Reader)
		got <- sum.Sum(nil)
		rpc.Respond(&raft.InstallSnapshotResponse{Term: 9, Success: true}, err)
	})
	for _, size := range []int64{0, 1, 1000, 256 << 10, 5<<20 + 17} {
		data := newRandom(size)
		response, err := a.install(b.id, b.LocalAddr(), size, data)
		require.NoError(t, err)
		assert.True(t, response.Success)
		assert.EqualValues(t, 9, response.Term)
		assert.Equal(t, data.sum.Sum(nil), <-got, "%d bytes", size)
	}
	tail := strings.NewReader("snapshot, and what is behind it")
	_, err := a.install(b.id, b.LocalAddr(), int64(len("snapshot")), tail)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte("snapshot"))
	assert.Equal(t, sum[:], <-got, "no more than its size is sent")
}

// snapshotStreamed holds the memory that is allocated against the size.
func snapshotStreamed(t *testing.T, f *fixture) {
	t.Helper()
	const size = 64 << 20
	a, b := f.open(t, "a"), f.open(t, "b")
	b.answer(agree)
	peak := heapPeak{Reader: io.LimitReader(zeros{}, size)}
	_, err := a.install(b.id, b.LocalAddr(), size, &peak)
	require.NoError(t, err)
	assert.Less(t, peak.most-peak.least, uint64(size/2), "bytes on the heap while %d were sent", size)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// heapPeak looks at the heap now and then while it is read.
type heapPeak struct {
	io.Reader
	reads       int
	least, most uint64
}

func (p *heapPeak) Read(b []byte) (int, error) {
	if p.reads++; p.reads%16 == 1 {
		var m runtime.MemStats
		runtime.GC() // other tests run at the same time: what counts is what is held
		runtime.ReadMemStats(&m)
		if p.least == 0 {
			p.least = m.HeapAlloc
		}
		p.least, p.most = min(p.least, m.HeapAlloc), max(p.most, m.HeapAlloc)
	}
	return p.Reader.Read(b)
}

// snapshotRefused has the engine refuse it before it is read, which the sender sees at the end.
func snapshotRefused(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	b.answer(func(rpc raft.RPC) {
		_, _ = io.Copy(io.Discard, rpc.Reader)
		rpc.Respond(nil, errors.New("not now"))
	})
	_, err := a.install(b.id, b.LocalAddr(), 1<<20, newRandom(1<<20))
	require.EqualError(t, err, "not now")
}

// snapshotSlowInstall takes longer than any of the limits for standing still, but the receiver lives.
func snapshotSlowInstall(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	b.answer(func(rpc raft.RPC) {
		_, err := io.Copy(io.Discard, rpc.Reader)
		installing := time.NewTimer(max(2*f.suite.Stall, 2*Timeout))
		<-installing.C
		rpc.Respond(&raft.InstallSnapshotResponse{Success: true}, err)
	})
	const size = 16 << 20
	response, err := a.install(b.id, b.LocalAddr(), size, newRandom(size))
	require.NoError(t, err)
	assert.True(t, response.Success)
}

// snapshotNeverInstalled has an engine that lives and is stuck for good.
func snapshotNeverInstalled(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	b.answer(func(rpc raft.RPC) { _, _ = io.Copy(io.Discard, rpc.Reader) })
	within(t, 2*Timeout+4*f.suite.Stall+soon, "InstallSnapshot", func() {
		_, err := a.install(b.id, b.LocalAddr(), 1000, newRandom(1000))
		assert.Error(t, err)
	})
}

func snapshotUnread(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	b.answer(func(rpc raft.RPC) { _, _ = io.ReadFull(rpc.Reader, make([]byte, 1000)) })
	const size = 64 << 20
	within(t, 2*Timeout+4*f.suite.Stall+soon, "InstallSnapshot", func() {
		_, err := a.install(b.id, b.LocalAddr(), size, io.LimitReader(zeros{}, size))
		assert.Error(t, err)
	})
}

// snapshotUnsent has the sender's disk hang. The receiver's engine reads, and does nothing else until that ends.
func snapshotUnsent(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	_, ended := b.reads()
	reader, writer := io.Pipe()
	go func() { _, _ = writer.Write([]byte("the beginning")) }()
	failed := make(chan error, 1)
	go func() {
		_, err := a.install(b.id, b.LocalAddr(), 1<<20, reader)
		failed <- err
	}()
	within(t, 2*Timeout+4*f.suite.Stall+soon, "the receiver's reading", func() { assert.Error(t, <-ended) })
	_ = writer.Close() // the disk answers at last
	require.Error(t, <-failed)
}

// reads has the engine read a snapshot and says when it begins and how it ends.
func (n *node) reads() (begun <-chan struct{}, ended <-chan error) {
	begin, end := make(chan struct{}), make(chan error, 1)
	n.answer(func(rpc raft.RPC) {
		close(begin)
		_, err := io.Copy(io.Discard, rpc.Reader)
		end <- err
		rpc.Respond(nil, err)
	})
	return begin, end
}

// after is nothing to read, once something has happened.
type after <-chan struct{}

func (a after) Read([]byte) (int, error) {
	<-a
	return 0, io.EOF
}

func snapshotShort(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	begun, ended := b.reads()
	_, err := a.install(b.id, b.LocalAddr(), 2<<20, io.MultiReader(newRandom(1<<20), after(begun)))
	require.ErrorContains(t, err, "ends after 1048576 of 2097152 bytes")
	require.Error(t, <-ended)
}

func snapshotUnreadable(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a"), f.open(t, "b")
	begun, ended := b.reads()
	broken := errors.New("sector 7 is gone")
	_, err := a.install(b.id, b.LocalAddr(), 1<<20, io.MultiReader(newRandom(1000), after(begun), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.Error(t, <-ended)
}
