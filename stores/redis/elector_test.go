package redis_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
	"github.com/seed-6dc909bb/s3lect/stores/redis"
)

const (
	lease    = 2 * time.Second
	frequent = lease / 5
	// patience is how long anything may take on a busy machine.
	patience = time.Minute
)

// member is an elector with a storage of its own.
type member struct {
	*s3lect.S3Elector
	storage *redis.Storage
}

// join starts an elector. It is stopped with the test.
func join(t *testing.T, address, id string, change ...func(*s3lect.ElectorConfig)) *member {
	t.Helper()
	config := &s3lect.ElectorConfig{
		LockfilePath: "leader.json", ServerID: id, ServerAddr: "127.0.0.1:8443",
		LeaderTimeout: lease, FrequentInterval: frequent, InfrequentInterval: frequent,
	}
	for _, f := range change {
		f(config)
	}
	storage, err := redis.Open(address)
	require.NoError(t, err)
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{Config: config, Storage: storage, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, elector.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() {
		_ = elector.Stop() // what it says about a server that is gone is no matter of these tests
		require.NoError(t, storage.Close())
	})
	return &member{elector, storage}
}

// crash has nobody hear of the member any more, as if its process were killed.
func (m *member) crash(t *testing.T) {
	t.Helper()
	require.NoError(t, m.storage.Close())
}

func (m *member) awaitLeadership(t *testing.T) (term int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, m.WaitForLeadership(ctx))
	return m.Term()
}

// watchOver fails the test when two members lead at once.
func watchOver(t *testing.T, members ...*member) {
	t.Helper()
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for ticker := time.NewTicker(time.Millisecond); ; {
			select {
			case <-done:
				ticker.Stop()
				return
			case <-ticker.C:
			}
			for i, one := range members {
				for _, other := range members[:i] {
					// Asked twice, because a leadership can pass on between the first question and the second.
					if one.IsLeader() && other.IsLeader() && one.IsLeader() {
						t.Errorf("%s and %s led at once", one.GetConfig().ServerID, other.GetConfig().ServerID)
						return
					}
				}
			}
		}
	})
	t.Cleanup(func() { close(done); watching.Wait() })
}

func TestALeadershipIsHandedOverAndTakenOver(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(t *testing.T) string{
		"single":   func(t *testing.T) string { t.Helper(); return redisserver.Start(t).URL(nil) },
		"sentinel": func(t *testing.T) string { t.Helper(); return redisserver.StartWatched(t).URL(nil) },
		"cluster":  func(t *testing.T) string { t.Helper(); return redisserver.StartCluster(t).URL(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := address(t)
			a, b := join(t, url, "a"), join(t, url, "b")
			watchOver(t, a, b)
			leader, other := a, b
			require.Eventually(t, func() bool {
				if b.IsLeader() {
					leader, other = b, a
				}
				return leader.IsLeader() && other.LeaderID() == leader.GetConfig().ServerID
			}, patience, time.Millisecond)
			first := leader.Term()

			require.NoError(t, leader.TransferLeadership(t.Context(), other.GetConfig().ServerID))
			assert.Equal(t, first+1, other.awaitLeadership(t))

			crashed := time.Now()
			other.crash(t)
			assert.Equal(t, first+2, leader.awaitLeadership(t))
			assert.Greater(t, time.Since(crashed), lease/2, "a lease that was given is kept")
			assert.False(t, other.IsLeader())
		})
	}
}

func TestAStalledServerEndsALeadershipInTime(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	a := join(t, server.URL(nil), "a")
	first := a.awaitLeadership(t)
	b := join(t, server.URL(nil), "b")
	watchOver(t, a, b)
	server.Stall(t)
	stalled := time.Now()
	require.Eventually(t, func() bool { return !a.IsLeader() }, patience, time.Millisecond)
	assert.Less(t, time.Since(stalled), lease, "before anybody else may lead")
	server.Continue(t)
	require.Eventually(t, func() bool { return a.Term()+b.Term() > first }, patience, time.Millisecond)
}

func TestAKilledServerThatKeepsItsDiskLosesNoTerm(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t, redisserver.WithDisk())
	a := join(t, server.URL(nil), "a")
	first := a.awaitLeadership(t)
	server.Kill()
	require.Eventually(t, func() bool { return !a.IsLeader() }, patience, time.Millisecond)
	a.crash(t)
	server.Restart(t)
	assert.Equal(t, first+1, join(t, server.URL(nil), "b").awaitLeadership(t))
}

// Without a disk the record is gone. Whoever has seen it goes on above its term; a candidate that
// has not begins anew, so that a term comes back.
func TestAKilledServerWithoutADiskForgetsTerms(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	a := join(t, server.URL(nil), "a")
	b := join(t, server.URL(nil), "b")
	watchOver(t, a, b)
	require.Eventually(t, func() bool { return a.Term()+b.Term() == 1 && a.LeaderID() == b.LeaderID() }, patience, time.Millisecond)
	server.Kill()
	require.Eventually(t, func() bool { return !a.IsLeader() && !b.IsLeader() }, patience, time.Millisecond)
	server.Restart(t)
	require.Eventually(t, func() bool { return a.Term()+b.Term() == 2 }, patience, time.Millisecond, "they remember")
	a.crash(t)
	b.crash(t)
	server.Kill()
	server.Restart(t)
	assert.Equal(t, int64(1), join(t, server.URL(nil), "c").awaitLeadership(t), "nobody is left who would")
}

func TestAFailoverThatLosesNothingKeepsTermsGrowing(t *testing.T) {
	t.Parallel()
	w := redisserver.StartWatched(t)
	a, b := join(t, w.URL(nil), "a"), join(t, w.URL(nil), "b")
	watchOver(t, a, b)
	leads := func(above int64) func() bool {
		return func() bool { return max(a.Term(), b.Term()) > above }
	}
	require.Eventually(t, leads(0), patience, time.Millisecond)
	require.NoError(t, w.Primary.Client(t).Wait(t.Context(), 1, 0).Err())
	first := max(a.Term(), b.Term())

	w.Primary.Kill()
	w.AwaitFailover(t)
	// The leader may keep its leadership, if the failover was quicker than the lease.
	require.Eventually(t, leads(first-1), patience, time.Millisecond)
	leader := a
	if b.IsLeader() {
		leader = b
	}
	before := leader.Term()
	require.NoError(t, leader.Resign(t.Context()))
	require.Eventually(t, leads(before), patience, time.Millisecond, "the new primary takes writes")
}

// What the documentation says that asynchronous replication can lose. A primary acknowledges a
// leadership and a round of which its replica never hears; then it fails, and the replica takes over.
// S3 acknowledges what it has stored for good, and has no such moment.
func TestAFailoverCanLoseWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	w := redisserver.StartWatched(t)
	former := join(t, w.URL(nil), "former")
	require.Equal(t, int64(1), former.awaitLeadership(t))
	require.NoError(t, former.Stop())
	require.NoError(t, w.Primary.Client(t).Wait(t.Context(), 1, 0).Err())

	w.CutReplication(t)
	long := func(c *s3lect.ElectorConfig) { // no renewal falls into this test
		c.LeaderTimeout, c.FrequentInterval, c.InfrequentInterval = 10*time.Minute, 5*time.Minute, 5*time.Minute
	}
	lost := join(t, w.URL(nil), "lost", long)
	require.Equal(t, int64(2), lost.awaitLeadership(t), "acknowledged")
	_, won, err := lost.storage.GetOrCreate(t.Context(), "rounds/08:00", []byte("lost"), time.Hour)
	require.NoError(t, err)
	require.True(t, won, "acknowledged")

	w.Primary.Kill()
	w.AwaitFailover(t)
	next := join(t, w.URL(nil), "next", long)
	assert.Equal(t, int64(2), next.awaitLeadership(t), "the same term again")
	assert.True(t, next.IsLeader() && lost.IsLeader(), "and two leaders at once, until the first one next asks or its lease runs out")
	_, won, err = next.storage.GetOrCreate(t.Context(), "rounds/08:00", []byte("next"), time.Hour)
	require.NoError(t, err)
	assert.True(t, won, "a round is won twice")

	// The versions at least are not mistaken for one another: the first leader's next renewal is
	// refused, and ends its leadership.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.Error(t, lost.Resign(ctx), "its record is not there any more")
	assert.False(t, lost.IsLeader())
	assert.True(t, next.IsLeader())
}
