package s3lect

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/env"
	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// counted counts the requests for the leader record, and those for the list of observers.
type counted struct {
	Storage

	record, list atomic.Int64
}

func (c *counted) reset() {
	c.record.Store(0)
	c.list.Store(0)
}

func (c *counted) count(key string) {
	if strings.HasSuffix(key, observersSuffix) {
		c.list.Add(1)
	} else {
		c.record.Add(1)
	}
}

func (c *counted) Get(ctx context.Context, key string) ([]byte, string, error) {
	c.count(key)
	return c.Storage.Get(ctx, key)
}

func (c *counted) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	c.count(key)
	return c.Storage.PutIfMatch(ctx, key, data, etag)
}

// span is for how long requests are counted.
const span = 20 * time.Minute

// times is how often something happens in that span at most that does so at such intervals, which jitter
// shortens by up to 4 %.
func times(interval time.Duration) int64 { return int64(span*25/24/interval) + 1 }

// A heartbeat is a read and a write per h, a renewal a write per interval, and a read follows the record. Faults
// cost no more than that.
func TestOneMemberCostsNoMoreRequestsWhateverHappens(t *testing.T) {
	fault := func(f func(context.Context, string) error) func(*memStorage, *memLink) {
		return func(_ *memStorage, link *memLink) { link.cut(f) }
	}
	list := func(content []byte) func(*memStorage, *memLink) {
		return func(s *memStorage, _ *memLink) { s.replaceList(content) }
	}
	beats := 2 * times(beatInterval)
	for name, c := range map[string]struct {
		prepare func(*memStorage, *memLink)
		change  []func(*ElectorConfig)
		most    int64
	}{
		"leader":                {change: []func(*ElectorConfig){describes}, most: beats},
		"leader in peer mode":   {change: []func(*ElectorConfig){describes, func(c *ElectorConfig) { c.PeerMode = true }}, most: times(3 * DefaultLeaderTimeout)},
		"no quorum":             {change: []func(*ElectorConfig){withQuorum(2)}, most: beats},
		"no quorum, non-voting": {change: []func(*ElectorConfig){withQuorum(2), nonVoting}, most: beats},
		"object is no list":     {list([]byte("x")), []func(*ElectorConfig){withQuorum(2)}, beats},
		"list is full":          {list(fullList(t, nil)), []func(*ElectorConfig){describes}, beats},
		"storage unreachable":   {fault(unreachable), []func(*ElectorConfig){withQuorum(2)}, beats},
		"storage hangs":         {fault(hang), []func(*ElectorConfig){withQuorum(2)}, beats},
		"storage throttles":     {fault(func(context.Context, string) error { return ErrStorageThrottled }), []func(*ElectorConfig){withQuorum(2)}, beats},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemStorage()
				link := &memLink{Storage: s}
				if c.prepare != nil {
					c.prepare(s, link)
				}
				requests := &counted{Storage: link}
				e := startElector(t, requests, "a", c.change...)
				time.Sleep(5 * time.Minute)
				requests.reset()
				time.Sleep(span)
				t.Logf("%d requests for the record and %d for the list in %v", requests.record.Load(), requests.list.Load(), span)
				assert.LessOrEqual(t, requests.list.Load(), c.most)
				assert.LessOrEqual(t, requests.record.Load(), 3*times(DefaultFrequentInterval))
				link.cut(nil)
				require.NoError(t, e.Stop())
			})
		})
	}
}

func TestFollowersInPeerModeCostTheListNothing(t *testing.T) {
	for _, storage := range map[string]func(Storage) Storage{
		"with ETags of writes": func(s Storage) Storage { return s },
		"plain":                func(s Storage) Storage { return plain{s} },
	} {
		for _, interval := range []time.Duration{5 * time.Second, 7 * time.Second, 8 * time.Second, 10 * time.Second, 12 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				s, n := newMemStorage(), newNetwork()
				leads, follows := &counted{Storage: storage(s)}, &counted{Storage: storage(s)}
				every := func(c *ElectorConfig) { c.QuorumSize, c.FrequentInterval = 2, interval }
				a, _ := startCountedPeer(t, n, leads, "a", every)
				b, _ := startCountedPeer(t, n, follows, "b", every, nonVoting)
				require.NoError(t, a.WaitForLeadership(soon(t)))
				time.Sleep(5 * time.Minute)
				leads.reset()
				follows.reset()
				time.Sleep(span)
				assert.Zero(t, follows.list.Load(), "interval %v", interval)
				assert.LessOrEqual(t, leads.list.Load(), times(3*DefaultLeaderTimeout), "interval %v", interval)
				assert.EqualValues(t, 1, a.Term())
				stopAll(t, []*S3Elector{a, b})
			})
		}
	}
}

func TestLeaderInPeerModeThatCountsTooFewLooksFiveTimesPerHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newMemStorage(), newNetwork()
		c := &counted{Storage: s}
		long := func(c *ElectorConfig) { c.QuorumSize, c.GracePeriod = 2, time.Hour }
		a, _ := startCountedPeer(t, n, c, "a", long)
		b, _ := startCountedPeer(t, n, s, "b", long, nonVoting)
		require.NoError(t, a.WaitForLeadership(soon(t)))
		time.Sleep(5 * time.Minute)
		require.NoError(t, b.Stop())
		c.reset()
		time.Sleep(30 * time.Minute)
		assert.True(t, a.IsLeader())
		assert.InDelta(t, 30*time.Minute/(beatInterval/5), c.list.Load(), 100)
		require.NoError(t, a.Stop())
	})
}

// Each look at the clock is a wake-up: waiting must not turn.
func TestWaitingNeverTurns(t *testing.T) {
	kept := lease.Record{LeaderID: "z", LeaderAddr: "z:1", Term: 4, QuorumLost: true, Nonce: "n", Session: "s", Lease: time.Hour}
	for name, c := range map[string]struct {
		record *lease.Record
		fault  func(context.Context, string) error
		change func(*ElectorConfig)
	}{
		"leader":                   {change: describes},
		"no quorum":                {change: withQuorum(2)},
		"no quorum in peer mode":   {change: func(c *ElectorConfig) { c.QuorumSize, c.PeerMode = 2, true }},
		"quorum that was lost":     {change: withQuorum(2), record: &kept},
		"storage unreachable":      {change: withQuorum(2), fault: unreachable},
		"storage hangs":            {change: withQuorum(2), fault: hang},
		"storage refuses to write": {change: withQuorum(2), fault: refuseWrites},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemStorage()
				if c.record != nil {
					data, err := c.record.Encode()
					require.NoError(t, err)
					s.put(data)
				}
				link := &memLink{Storage: s}
				link.cut(c.fault)
				config := testConfig("a")
				c.change(config)
				var looks atomic.Int64
				machine := *env.System()
				now := machine.Now
				machine.Now = func() lease.Instant { looks.Add(1); return now() }
				e, err := NewS3Elector(S3ElectorOptions{Config: config, Storage: link, Logger: quiet(), Env: &machine})
				require.NoError(t, err)
				require.NoError(t, e.Start(t.Context()))
				time.Sleep(10 * time.Minute)
				looks.Store(0)
				time.Sleep(time.Hour)
				t.Logf("%d looks at the clock per hour", looks.Load())
				assert.Less(t, looks.Load(), int64(30000))
				link.cut(nil)
				require.NoError(t, e.Stop())
			})
		})
	}
}

// A tenth of a lease is left to the farewell, at most two seconds.
func TestStopWaitsForTheFarewellNoLongerThanItShould(t *testing.T) {
	for name, fault := range map[string]func(context.Context, string) error{"works": nil, "hangs": hang, "unreachable": unreachable} {
		for _, leaseTime := range []time.Duration{100 * time.Millisecond, DefaultLeaderTimeout, MaxLeaderTimeout} {
			synctest.Test(t, func(t *testing.T) {
				link := &memLink{Storage: newMemStorage()}
				e := startElector(t, link, "a", withQuorum(2), nonVoting, func(c *ElectorConfig) { c.LeaderTimeout = leaseTime })
				time.Sleep(3 * leaseTime)
				link.cut(fault)
				time.Sleep(3 * leaseTime)
				begun := time.Now()
				require.NoError(t, e.Stop())
				assert.LessOrEqual(t, time.Since(begun), min(leaseTime/10, maxFarewell), "storage %s, lease %v", name, leaseTime)
			})
		}
	}
}

func TestStopWaitsForAHungLeaderNoLongerThanItShould(t *testing.T) {
	for _, leaseTime := range []time.Duration{DefaultLeaderTimeout, MaxLeaderTimeout} {
		synctest.Test(t, func(t *testing.T) {
			s, n := newMemStorage(), newNetwork()
			long := func(c *ElectorConfig) { c.QuorumSize, c.LeaderTimeout = 2, leaseTime }
			a, _ := startCountedPeer(t, n, s, "a", long)
			b, way := startCountedPeer(t, n, s, "b", long, nonVoting)
			require.NoError(t, a.WaitForLeadership(soon(t)))
			time.Sleep(time.Minute)
			way.hung.Store(true)
			time.Sleep(time.Second)
			begun := time.Now()
			require.NoError(t, b.Stop())
			assert.LessOrEqual(t, time.Since(begun), min(leaseTime/10, maxFarewell), "lease %v", leaseTime)
			require.NoError(t, a.Stop())
		})
	}
}

// All of them write one object, over a storage that takes some time for it.
func TestCrowdWithoutPeerModeStaysCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 50
		link := &memLink{Storage: newMemStorage()}
		link.cut(func(context.Context, string) error { time.Sleep(20 * time.Millisecond); return nil })
		fleet := startFleet(t, link, 2, withQuorum(size/2+1))
		for i := 2; i < size; i++ {
			fleet = append(fleet, startElector(t, link, fmt.Sprint("n", i), withQuorum(size/2+1), nonVoting))
		}
		leader, _ := leaderOf(t, fleet)
		time.Sleep(time.Minute)
		for range 90 {
			time.Sleep(time.Second)
			for _, e := range fleet[:2] {
				require.GreaterOrEqual(t, e.GetLeadershipStatus().ActiveObservers, size-2, "one that has much bad luck may be late")
			}
		}
		assert.EqualValues(t, 1, leader.Term())
		link.cut(nil)
		stopAll(t, fleet)
	})
}
