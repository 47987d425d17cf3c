package s3lect_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/figure"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func contest(tb testing.TB, storage s3lect.Storage, key, id string) *s3lect.S3Elector {
	tb.Helper()
	e, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config:  &s3lect.ElectorConfig{LockfilePath: key, ServerID: id, ServerAddr: "127.0.0.1:8443"},
		Storage: storage,
		Logger:  slog.New(slog.DiscardHandler),
	})
	require.NoError(tb, err)
	require.NoError(tb, e.Start(tb.Context()))
	return e
}

func stop(tb testing.TB, electors ...*s3lect.S3Elector) {
	tb.Helper()
	for _, e := range electors {
		assert.NoError(tb, e.Stop())
	}
}

// BenchmarkIsLeader is to be read against BenchmarkTimeNow of the same run, and with -cpu 1,2.
func BenchmarkIsLeader(b *testing.B) {
	e := contest(b, memory.New(), "leader.json", "a")
	defer stop(b, e)
	require.NoError(b, e.WaitForLeadership(b.Context()))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !e.IsLeader() {
				b.Error("not the leader")
			}
		}
	})
}

func BenchmarkTerm(b *testing.B) {
	e := contest(b, memory.New(), "leader.json", "a")
	defer stop(b, e)
	require.NoError(b, e.WaitForLeadership(b.Context()))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if e.Term() != 1 {
				b.Error("not the leader")
			}
		}
	})
}

func BenchmarkTimeNow(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if time.Now().IsZero() {
				b.Error("no time")
			}
		}
	})
}

// footprint runs n elections of one leader and one follower and returns what an elector costs.
func footprint(tb testing.TB, n int) (bytes, goroutines float64) {
	tb.Helper()
	storage := memory.New()
	all := make([]*s3lect.S3Elector, 0, 2*n)
	defer func() { stop(tb, all...) }()
	before, running := inUse(), runtime.NumGoroutine()
	for i := range n {
		key := fmt.Sprintf("%d.json", i)
		leader := contest(tb, storage, key, "a")
		require.NoError(tb, leader.WaitForLeadership(tb.Context()))
		follower := contest(tb, storage, key, "b")
		_, err := follower.WaitForNextElection(tb.Context(), time.Time{})
		require.NoError(tb, err)
		all = append(all, leader, follower)
	}
	after, runningNow := inUse(), runtime.NumGoroutine()
	electors := float64(2 * n)
	return float64(after-before) / electors, float64(runningNow-running) / electors
}

// inUse returns the bytes of heap and stacks in use.
func inUse() int64 {
	var stats runtime.MemStats
	for range 3 { // the first collection lets goroutines shrink their stacks
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}

func TestThousandIdleElectorsCostLittle(t *testing.T) {
	bytes, goroutines := footprint(t, 500)
	figure.Report(t, "per elector", "heap and stack", "B", bytes)
	figure.Report(t, "per elector", "goroutines", "1", goroutines)
	assert.LessOrEqual(t, goroutines, 2.0)
	if !raceEnabled { // the detector keeps shadows of its own
		assert.LessOrEqual(t, bytes, 8192.0)
	}
	t.Logf("%.0f bytes of heap and stack, %.2f goroutines per elector", bytes, goroutines)
}

func BenchmarkThousandIdleElectors(b *testing.B) {
	for b.Loop() {
		bytes, goroutines := footprint(b, 500)
		b.ReportMetric(bytes, "B/elector")
		b.ReportMetric(goroutines, "goroutines/elector")
	}
}
