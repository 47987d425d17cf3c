package sim

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	s3lect "github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/figure"
)

// claimAllowance is what comes on top of every bound: the claim's random wait, of four round trips
// at most, and three round trips of at most 60 ms.
const claimAllowance = (4 + 3) * 60 * time.Millisecond

// timeMetric is the metric of all times until somebody leads, or nobody does.
const timeMetric = "time"

// calmProfile is some nodes with right clocks, 20–60 ms from the storage.
func calmProfile(nodes int) *profile {
	return &profile{
		nodes: nodes, latency: [2]time.Duration{20 * time.Millisecond, 60 * time.Millisecond},
		etags: []bool{true}, habits: []habits{{}}, oldPeers: []bool{false}, maxLease: s3lect.DefaultLeaderTimeout,
	}
}

func calmConfig(node int, infrequent time.Duration) s3lect.ElectorConfig {
	return s3lect.ElectorConfig{
		LockfilePath: mainKey, ServerID: fmt.Sprintf("node-%d", node), ServerAddr: fmt.Sprintf("10.0.0.%d:8443", node+1),
		LeaderTimeout: s3lect.DefaultLeaderTimeout, FrequentInterval: s3lect.DefaultFrequentInterval, InfrequentInterval: infrequent,
	}
}

func startCalm(infrequent time.Duration) *world {
	w := newWorld(1, calmProfile(5), Real, nil, slog.LevelError)
	for node := range w.nodes {
		w.startNode(node, calmConfig(node, infrequent))
	}
	return w
}

// TestFailoverStaysWithinItsBounds measures the time from a crash, and from a graceful stop, of the
// leader to the next one, and prints the distribution.
func TestFailoverStaysWithinItsBounds(t *testing.T) {
	lease, frequent := s3lect.DefaultLeaderTimeout, s3lect.DefaultFrequentInterval
	for _, c := range []struct {
		name       string
		infrequent time.Duration
		crash      bool
		bound      time.Duration
	}{
		{"default intervals, crash", s3lect.DefaultInfrequentInterval, true, 2 * lease},
		{"default intervals, graceful stop", s3lect.DefaultInfrequentInterval, false, lease},
		{"both intervals equal, crash", frequent, true, lease + frequent},
		{"both intervals equal, graceful stop", frequent, false, frequent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var times []time.Duration
			synctest.Test(t, func(t *testing.T) { times = measureFailovers(t, c.infrequent, c.crash, *crashCount) })
			slices.Sort(times)
			at := func(q float64) time.Duration {
				return times[int(q*float64(len(times)-1))].Round(time.Millisecond)
			}
			t.Logf("%-36s %5d times: min %8v  median %8v  p99 %8v  max %8v  bound %v",
				c.name, len(times), at(0), at(0.5), at(0.99), at(1), c.bound+claimAllowance)
			figure.Times(t, c.name, timeMetric, times...)
			figure.Bound(t, c.name, c.bound+claimAllowance, "")
			assert.LessOrEqual(t, times[len(times)-1], c.bound+claimAllowance)
		})
	}
}

// measureFailovers ends one leader after the other, each at a random moment of a settled
// leadership, and starts it again.
func measureFailovers(t *testing.T, infrequent time.Duration, crash bool, n int) (times []time.Duration) {
	t.Helper()
	w := startCalm(infrequent)
	moments := w.dice("moments")
	for range n {
		time.Sleep(moments.between(60*time.Second, 90*time.Second))
		leaders := w.monitor.leaders()
		require.Len(t, leaders, 1)
		leader, before, began := leaders[0], len(w.monitor.mainLeaderships()), time.Now()
		w.leave(leader)
		if crash {
			leader.crash()
		} else {
			w.burials.Go(leader.end)
		}
		after := w.monitor.mainLeaderships()
		for ; len(after) == before; after = w.monitor.mainLeaderships() {
			require.Less(t, time.Since(began), 10*time.Minute, "no new leader")
			time.Sleep(50 * time.Millisecond)
		}
		times = append(times, after[before].Since.Sub(began))
		w.startNode(leader.node, calmConfig(leader.node, infrequent))
	}
	w.close()
	require.Empty(t, w.monitor.violations)
	return times
}

// TestRequestsPerHourOfASteadyElection counts what one leader and four followers cost at the
// default intervals.
func TestRequestsPerHourOfASteadyElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checkSteadyHour(t, startCalm(s3lect.DefaultInfrequentInterval), "one leader and four followers", 1000)
	})
}

// checkSteadyHour counts the requests of an hour after everything has settled.
func checkSteadyHour(t *testing.T, w *world, who string, maxReads int) {
	t.Helper()
	time.Sleep(2 * time.Minute)
	before, changes := w.store.total(leaderRecord), len(w.monitor.mainLeaderships())
	time.Sleep(time.Hour)
	after := w.store.total(leaderRecord)
	require.Len(t, w.monitor.mainLeaderships(), changes, "the leadership has changed")
	w.close()
	require.Empty(t, w.monitor.violations)
	writes, reads, refused := after.Writes-before.Writes, after.Reads-before.Reads, after.Refused-before.Refused
	t.Logf("%s, one hour: %d writes, %d reads, %d refused", who, writes, reads, refused)
	figure.Report(t, who, "writes", "1", float64(writes))
	figure.Report(t, who, "reads", "1", float64(reads))
	figure.Report(t, who, "refused writes", "1", float64(refused))
	assert.LessOrEqual(t, writes, 720)
	assert.LessOrEqual(t, reads, maxReads)
	assert.Zero(t, refused)
}
