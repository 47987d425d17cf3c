package transporttest

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// Benchmark measures messages between two nodes, of which the other answers at once: single ones, pipelined ones of one
// and of 64 entries of 256 bytes, and snapshots of 64 MiB.
func Benchmark(b *testing.B, newTransport func(*testing.B) transport.Transport) {
	b.Run("Heartbeat", func(b *testing.B) { benchmarkCall(b, newTransport(b), heartbeat(1)) })
	b.Run("AppendEntries/entries=1", func(b *testing.B) { benchmarkCall(b, newTransport(b), entries(1, 1, 256)) })
	b.Run("AppendEntries/entries=64", func(b *testing.B) { benchmarkCall(b, newTransport(b), entries(1, 64, 256)) })
	b.Run("Pipeline/entries=1", func(b *testing.B) { benchmarkPipeline(b, newTransport(b), entries(1, 1, 256)) })
	b.Run("Pipeline/entries=64", func(b *testing.B) { benchmarkPipeline(b, newTransport(b), entries(1, 64, 256)) })
	b.Run("Snapshot", func(b *testing.B) { benchmarkSnapshot(b, newTransport(b)) })
}

// pair opens two endpoints, of which the second agrees to everything.
func pair(b *testing.B, t transport.Transport) (from, to transport.Endpoint, id raft.ServerID) {
	b.Helper()
	open := func(id string) transport.Endpoint {
		e, err := t.Open(transport.Config{
			ClusterID: "benchmarks", NodeID: id, Bind: "127.0.0.1:0", Timeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, e.Close()) })
		return e
	}
	from, to = open("a"), open("b")
	done := make(chan struct{})
	b.Cleanup(func() { close(done) })
	to.SetHeartbeatHandler(agree)
	go func() {
		for {
			select {
			case rpc := <-to.Consumer():
				agree(rpc)
			case <-done:
				return
			}
		}
	}()
	return from, to, "b"
}

func benchmarkCall(b *testing.B, t transport.Transport, request *raft.AppendEntriesRequest) {
	b.Helper()
	from, to, id := pair(b, t)
	b.ReportAllocs()
	for b.Loop() {
		var response raft.AppendEntriesResponse
		require.NoError(b, from.AppendEntries(id, to.LocalAddr(), request, &response))
	}
}

func benchmarkPipeline(b *testing.B, t transport.Transport, request *raft.AppendEntriesRequest) {
	b.Helper()
	from, to, id := pair(b, t)
	p, err := from.AppendEntriesPipeline(id, to.LocalAddr())
	require.NoError(b, err)
	sent := make(chan error, 1)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			if _, err := p.AppendEntries(request, new(raft.AppendEntriesResponse)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for range b.N {
		require.NoError(b, (<-p.Consumer()).Error())
	}
	require.NoError(b, <-sent)
	b.StopTimer()
	require.NoError(b, p.Close())
}

func benchmarkSnapshot(b *testing.B, t transport.Transport) {
	b.Helper()
	const size = 64 << 20
	from, to, id := pair(b, t)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, from.InstallSnapshot(id, to.LocalAddr(), &raft.InstallSnapshotRequest{
			SnapshotVersion: 1, Size: size, Configuration: configuration,
		}, new(raft.InstallSnapshotResponse), io.LimitReader(zeros{}, size)))
	}
}
