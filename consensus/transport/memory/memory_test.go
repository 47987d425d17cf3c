package memory_test

import (
	"bytes"
	"io"
	"log/slog"
	"math/rand"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/memory"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Suite{
		New:    func(*testing.T) transport.Transport { return memory.NewNetwork().Transport() },
		Stall:  10 * time.Second,
		Bubble: true,
	})
}

func BenchmarkTransport(b *testing.B) {
	transporttest.Benchmark(b, func(*testing.B) transport.Transport { return memory.NewNetwork().Transport() })
}

// pair opens two endpoints on a network, of which the second answers each request with its term.
func pair(t *testing.T, network *memory.Network) (a, b transport.Endpoint) {
	t.Helper()
	open := func(id string) transport.Endpoint {
		e, err := network.Transport().Open(transport.Config{
			ClusterID: "tests", NodeID: id, Bind: id + ":0", Timeout: time.Second, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, e.Close()) })
		return e
	}
	a, b = open("a"), open("b")
	b.SetHeartbeatHandler(func(rpc raft.RPC) {
		r, ok := rpc.Command.(*raft.AppendEntriesRequest)
		assert.True(t, ok)
		rpc.Respond(&raft.AppendEntriesResponse{Term: r.Term, Success: true}, nil)
	})
	return a, b
}

func beat(a, b transport.Endpoint, term uint64) error {
	request := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{Addr: []byte("a")}, Term: term}
	return a.AppendEntries("b", b.LocalAddr(), request, new(raft.AppendEntriesResponse))
}

func TestACutLosesMessagesInOneDirection(t *testing.T) {
	for name, cut := range map[string][2]string{"there": {"a", "b"}, "back": {"b", "a"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := memory.NewNetwork()
				a, b := pair(t, network)
				require.NoError(t, beat(a, b, 1))
				network.Cut(cut[0], cut[1])
				start := time.Now()
				require.ErrorIs(t, beat(a, b, 2), os.ErrDeadlineExceeded)
				assert.Equal(t, time.Second, time.Since(start), "the loss shows as silence")
				network.Heal(cut[0], cut[1])
				require.NoError(t, beat(a, b, 3))
				network.Cut("a", "c")
				require.NoError(t, beat(a, b, 4), "another way is cut")
			})
		})
	}
}

func TestAMessageOnItsWayIsLostWithTheCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memory.NewNetwork()
		a, b := pair(t, network)
		network.SetFaults(memory.Faults{DelayMin: 100 * time.Millisecond, DelayMax: 100 * time.Millisecond})
		lost := make(chan error, 1)
		go func() { lost <- beat(a, b, 1) }()
		time.Sleep(50 * time.Millisecond)
		network.Cut("a", "b")
		network.Heal("a", "b")
		require.ErrorIs(t, <-lost, os.ErrDeadlineExceeded)
		require.NoError(t, beat(a, b, 2))
	})
}

func TestDelaysStayWithinTheirBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memory.NewNetwork()
		a, b := pair(t, network)
		network.SetFaults(memory.Faults{Rand: rand.New(rand.NewSource(1)), DelayMin: 10 * time.Millisecond, DelayMax: 30 * time.Millisecond})
		var least, most time.Duration = time.Hour, 0
		for range 200 {
			start := time.Now()
			require.NoError(t, beat(a, b, 1))
			least, most = min(least, time.Since(start)), max(most, time.Since(start))
		}
		assert.GreaterOrEqual(t, least, 20*time.Millisecond)
		assert.LessOrEqual(t, most, 60*time.Millisecond)
		assert.Greater(t, most-least, 10*time.Millisecond)
	})
}

func TestTheSameSeedLosesTheSameMessages(t *testing.T) {
	run := func(seed int64) (outcomes []bool) {
		synctest.Test(t, func(t *testing.T) {
			network := memory.NewNetwork()
			a, b := pair(t, network)
			network.SetFaults(memory.Faults{Rand: rand.New(rand.NewSource(seed)), Drop: 0.3})
			for range 100 {
				outcomes = append(outcomes, beat(a, b, 1) == nil)
			}
		})
		return outcomes
	}
	first := run(1)
	assert.Equal(t, first, run(1))
	assert.NotEqual(t, run(1), run(2))
	assert.Contains(t, run(1), true)
	assert.Contains(t, run(1), false)
}

func TestAPipelineThatLosesAMessageEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memory.NewNetwork()
		a, b := pair(t, network)
		p, err := a.AppendEntriesPipeline("b", b.LocalAddr())
		require.NoError(t, err)
		defer func() { require.NoError(t, p.Close()) }()
		beat := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{Addr: []byte("a")}, Term: 1}
		f, err := p.AppendEntries(beat, new(raft.AppendEntriesResponse))
		require.NoError(t, err)
		require.NoError(t, f.Error())
		network.Cut("a", "b")
		f, err = p.AppendEntries(beat, new(raft.AppendEntriesResponse))
		require.NoError(t, err)
		network.HealAll()
		require.ErrorIs(t, f.Error(), os.ErrDeadlineExceeded)
		_, err = p.AppendEntries(beat, new(raft.AppendEntriesResponse))
		require.Error(t, err, "what comes behind a lost message does not arrive")
	})
}

func TestASnapshotThatIsCutOffEndsOnBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memory.NewNetwork()
		a, b := pair(t, network)
		const size = 4 << 20
		read := make(chan error, 1)
		go func() {
			rpc := <-b.Consumer()
			_, err := io.ReadFull(rpc.Reader, make([]byte, size/2))
			assert.NoError(t, err)
			network.Cut("a", "b")
			_, err = io.Copy(io.Discard, rpc.Reader)
			read <- err
			rpc.Respond(nil, err)
		}()
		err := a.InstallSnapshot("b", b.LocalAddr(), &raft.InstallSnapshotRequest{Size: size}, new(raft.InstallSnapshotResponse),
			bytes.NewReader(make([]byte, size)))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Error(t, <-read)
	})
}

func TestFaultsByChanceNeedARand(t *testing.T) {
	assert.Panics(t, func() { memory.NewNetwork().SetFaults(memory.Faults{Drop: 0.5}) })
}
