package s3lect

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// startFleet starts that many electors.
func startFleet(t *testing.T, storage Storage, n int, change ...func(*ElectorConfig)) []*S3Elector {
	t.Helper()
	var fleet []*S3Elector
	for i := range n {
		fleet = append(fleet, startElector(t, storage, fmt.Sprint("n", i), change...))
	}
	return fleet
}

// leaderOf waits until one of the fleet leads, and returns it and the others.
func leaderOf(t *testing.T, fleet []*S3Elector) (leader *S3Elector, others []*S3Elector) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); leader == nil; time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "nobody leads")
		for i, e := range fleet {
			if e.IsLeader() {
				leader = e
				others = append(append([]*S3Elector{}, fleet[:i]...), fleet[i+1:]...)
			}
		}
	}
	return leader, others
}

func stopAll(t *testing.T, fleet []*S3Elector) {
	t.Helper()
	for _, e := range fleet {
		require.NoError(t, e.Stop())
	}
}

func TestFreshClusterFormsOnceEnoughAreThereAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		fleet := startFleet(t, s, 2, withQuorum(3))
		time.Sleep(5 * time.Minute)
		for _, e := range fleet {
			assert.False(t, e.IsLeader())
			status := e.GetLeadershipStatus()
			require.ErrorIs(t, status.Err, ErrQuorumLost)
			assert.ErrorContains(t, status.Err, "2 of the 3 members needed")
			assert.Equal(t, 2, status.ActiveObservers)
			assert.Equal(t, 3, status.QuorumSize)
			assert.Zero(t, status.ConsecutiveFails)
		}
		_, exists := s.objects[testKey]
		assert.False(t, exists, "nothing was claimed")
		fleet = append(fleet, startElector(t, s, "n2", withQuorum(3)))
		begun := time.Now()
		leader, _ := leaderOf(t, fleet)
		assert.Less(t, time.Since(begun), 10*time.Second)
		time.Sleep(time.Hour)
		assert.True(t, leader.IsLeader())
		assert.EqualValues(t, 1, leader.Term())
		stopAll(t, fleet)
	})
}

func TestLeaderWithoutQuorumStepsDownAfterLeaseAndGraceAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const grace = 7 * time.Second
		s := newMemStorage()
		var mu sync.Mutex
		var lose *LeadershipEnd
		link := &memLink{Storage: s}
		config := func(c *ElectorConfig) { c.QuorumSize, c.GracePeriod = 2, grace }
		a := startElector(t, s, "a", config, func(c *ElectorConfig) {
			c.OnLoseLeadership = func(ctx context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				lose = LeadershipEndOf(ctx)
				return nil
			}
		})
		b := startElector(t, link, "b", config, func(c *ElectorConfig) { c.NonVoting = true })
		require.NoError(t, a.WaitForLeadership(soon(t)))
		cause := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_ = a.Lead(ctx, func(ctx context.Context, _ int64) error {
				<-ctx.Done()
				cause <- context.Cause(ctx)
				assert.Equal(t, EndQuorumLost.Err(), LeadershipEndOf(ctx).Reason)
				cancel()
				return nil
			})
		}()
		time.Sleep(time.Minute)
		require.True(t, a.IsLeader())
		link.cut(hang)
		cut := time.Now()
		require.ErrorIs(t, <-cause, ErrQuorumLost)
		assert.False(t, a.IsLeader())
		took := time.Since(cut)
		assert.LessOrEqual(t, took, DefaultLeaderTimeout+grace+DefaultLeaderTimeout/3)
		assert.GreaterOrEqual(t, took, DefaultLeaderTimeout+grace-DefaultLeaderTimeout/3)
		time.Sleep(time.Second)
		status := a.GetLeadershipStatus()
		require.ErrorIs(t, status.Err, ErrQuorumLost)
		assert.Equal(t, EndQuorumLost, status.EndReason)
		assert.EqualValues(t, 1, status.EndedTerm)
		mu.Lock()
		require.NotNil(t, lose)
		assert.Equal(t, ErrQuorumLost, lose.Reason)
		mu.Unlock()
		assert.True(t, s.record(t).Resigned())
		assert.True(t, s.record(t).QuorumLost)

		link.cut(nil)
		back := time.Now()
		require.NoError(t, a.WaitForLeadership(soon(t)))
		took = time.Since(back)
		assert.GreaterOrEqual(t, took, DefaultLeaderTimeout, "a quorum that has been lost must stand for a lease")
		assert.LessOrEqual(t, took, 2*DefaultLeaderTimeout)
		status = a.GetLeadershipStatus()
		require.NoError(t, status.Err)
		assert.Empty(t, status.EndReason)
		assert.Zero(t, status.EndedTerm)
		stopAll(t, []*S3Elector{a, b})
	})
}

func TestMembersMissingForLessThanTheGraceCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		link := &memLink{Storage: s}
		a := startElector(t, s, "a", withQuorum(2))
		b := startElector(t, link, "b", withQuorum(2), func(c *ElectorConfig) { c.NonVoting = true })
		require.NoError(t, a.WaitForLeadership(soon(t)))
		for range 5 {
			time.Sleep(time.Minute)
			link.cut(unreachable)
			time.Sleep(DefaultLeaderTimeout + 5*time.Second) // too few for a while, but less than the grace
			link.cut(nil)
		}
		time.Sleep(time.Minute)
		assert.EqualValues(t, 1, a.Term())
		stopAll(t, []*S3Elector{a, b})
	})
}

func TestLeftoversOfADeadClusterAreNoQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		fleet := startFleet(t, s, 3, withQuorum(2))
		_, others := leaderOf(t, fleet)
		time.Sleep(time.Minute)
		s.mu.Lock()
		left := s.objects[ObserversKey(testKey)]
		s.mu.Unlock()
		stopAll(t, fleet)
		s.mu.Lock()
		s.objects[ObserversKey(testKey)] = left // as if they had crashed, all but the record
		s.mu.Unlock()
		lone := startElector(t, s, others[0].GetConfig().ServerID, withQuorum(2))
		for range 300 {
			time.Sleep(time.Second)
			require.False(t, lone.IsLeader(), "nobody else is there")
		}
		require.NoError(t, lone.Stop())
	})
}

func TestCrashedLeaderIsReplacedByThoseWhoAreEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		var fleet []*S3Elector
		links := map[*S3Elector]*memLink{}
		for i := range 3 {
			link := &memLink{Storage: s}
			e := startElector(t, link, fmt.Sprint("n", i), withQuorum(2))
			fleet, links[e] = append(fleet, e), link
		}
		leader, others := leaderOf(t, fleet)
		time.Sleep(time.Minute)
		links[leader].cut(hang)
		begun := time.Now()
		for leader.IsLeader() {
			time.Sleep(time.Second)
		}
		leaderOf(t, others)
		assert.LessOrEqual(t, time.Since(begun), 2*DefaultLeaderTimeout+time.Second)
		links[leader].cut(nil)
		stopAll(t, fleet)
	})
}

func TestNonVotingMembersCountAndNeverLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		watcher := startElector(t, s, "w", withQuorum(2), func(c *ElectorConfig) { c.NonVoting = true })
		time.Sleep(5 * time.Minute)
		assert.False(t, watcher.IsLeader())
		assert.NoError(t, watcher.GetLeadershipStatus().Err, "it has no wish to lead")
		a := startElector(t, s, "a", withQuorum(2))
		require.NoError(t, a.WaitForLeadership(soon(t)))
		time.Sleep(time.Minute)
		assert.Equal(t, "a", watcher.LeaderID())
		require.NoError(t, a.TransferLeadership(t.Context(), "w"))
		time.Sleep(5 * time.Minute)
		assert.False(t, watcher.IsLeader())
		assert.True(t, a.IsLeader())
		stopAll(t, []*S3Elector{a, watcher})
	})
}

func TestStatusNamesNoLeaderWhoseLeaseHasRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		link := &memLink{Storage: s}
		a := startElector(t, link, "a")
		require.NoError(t, a.WaitForLeadership(soon(t)))
		watcher := startElector(t, s, "w", func(c *ElectorConfig) { c.NonVoting = true })
		time.Sleep(time.Minute)
		require.Equal(t, "a", watcher.LeaderID())
		link.cut(unreachable)
		time.Sleep(3 * DefaultLeaderTimeout)
		assert.Empty(t, watcher.LeaderID())
		link.cut(nil)
		time.Sleep(time.Minute)
		assert.Equal(t, "a", watcher.LeaderID())
		stopAll(t, []*S3Elector{a, watcher})
	})
}

func TestHigherQuorumWhileLeadingLeavesTheGraceForMembersToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		a := startElector(t, s, "a")
		require.NoError(t, a.WaitForLeadership(soon(t)))
		config := *a.GetConfig()
		config.QuorumSize = 2
		require.NoError(t, a.UpdateConfig(config))
		time.Sleep(10 * time.Second)
		b := startElector(t, s, "b", withQuorum(2))
		time.Sleep(time.Minute)
		assert.EqualValues(t, 1, a.Term())
		require.NoError(t, b.Stop())
		config.QuorumSize = 3
		require.NoError(t, a.UpdateConfig(config))
		changed := time.Now()
		for a.IsLeader() {
			time.Sleep(100 * time.Millisecond)
		}
		assert.InDelta(t, DefaultLeaderTimeout, time.Since(changed), float64(time.Second))
		config.QuorumSize = 0
		require.NoError(t, a.UpdateConfig(config))
		require.NoError(t, a.WaitForLeadership(soon(t)), "without a quorum nobody is needed")
		require.NoError(t, a.Stop())
	})
}

func TestStuckListOfObserversHoldsUpNoRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		link := &rosterLink{memLink{Storage: s}}
		described := func(c *ElectorConfig) { c.ObserverMetadata = map[string]string{} }
		a := startElector(t, link, "a", described)
		require.NoError(t, a.WaitForLeadership(soon(t)))
		link.cut(hang)
		for range 600 {
			time.Sleep(time.Second)
			require.True(t, a.IsLeader())
			require.Greater(t, a.Remaining(), DefaultLeaderTimeout/2)
		}
		begun := time.Now()
		require.NoError(t, a.Stop())
		assert.LessOrEqual(t, time.Since(begun), DefaultLeaderTimeout/5+time.Second)
	})
}

func TestWatchTellsWhyEachLeadershipHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		link := &memLink{Storage: s}
		a := newElector(t, link, "a")
		var reasons []EndReason
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(done)
			for status := range a.Watch(ctx) {
				if n := len(reasons); status.EndReason != 0 && (n == 0 || status.EndReason != reasons[n-1]) {
					assert.False(t, status.IsLeader)
					assert.Error(t, status.EndReason.Err())
					reasons = append(reasons, status.EndReason)
				}
			}
		}()
		require.NoError(t, a.Start(t.Context()))
		again := func() { require.NoError(t, a.WaitForLeadership(soon(t))) }
		again()
		require.NoError(t, a.Resign(t.Context()))
		again()
		require.NoError(t, a.TransferLeadership(t.Context(), "b"))
		again()
		link.cut(unreachable)
		for a.IsLeader() {
			time.Sleep(time.Second)
		}
		link.cut(nil)
		again()
		stranger := *s.record(t)
		stranger.LeaderID, stranger.Session, stranger.Nonce, stranger.Term = "z", "z", "z", stranger.Term+1
		data, err := stranger.Encode()
		require.NoError(t, err)
		s.put(data)
		time.Sleep(DefaultLeaderTimeout)
		again()
		require.NoError(t, a.Stop())
		synctest.Wait()
		cancel()
		<-done
		assert.Equal(t, []EndReason{EndResigned, EndTransferred, EndExpired, EndLost, EndStopped}, reasons)
	})
}

func TestEveryEndReasonHasItsError(t *testing.T) {
	for reason, err := range map[EndReason]error{
		EndResigned: ErrResigned, EndTransferred: ErrTransferred, EndStopped: ErrStopped,
		EndExpired: ErrLeaseExpired, EndLost: ErrLeadershipLost, EndQuorumLost: ErrQuorumLost,
	} {
		assert.ErrorIs(t, reason.Err(), err)
	}
	for r := lease.Expired; r <= lease.QuorumLost; r++ {
		reason := endReason(r)
		require.Error(t, reason.Err(), "reason %v", r)
		text, err := json.Marshal(LeadershipStatus{EndReason: reason})
		require.NoError(t, err)
		var back LeadershipStatus
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, reason, back.EndReason)
		assert.NotEmpty(t, reason.String())
	}
	assert.NoError(t, EndReason(0).Err())
	assert.NoError(t, EndReason(99).Err())
	assert.Equal(t, "EndReason(99)", EndReason(99).String())
	var later LeadershipStatus
	require.NoError(t, json.Unmarshal([]byte(`{"endReason":"bored"}`), &later), "of a later version")
	assert.Equal(t, "unknown", later.EndReason.String())
	assert.Nil(t, LeadershipEndOf(t.Context()))
}

// patient renews every second, and survives a busy machine.
func patient(c *ElectorConfig) {
	c.LeaderTimeout, c.FrequentInterval, c.QuorumSize = DefaultLeaderTimeout, time.Second, 2
}

// TestFollowersInPeerModeAreCountedByTheirQuestions: the list on the storage is for those who cannot
// reach the leader.
func TestFollowersInPeerModeAreCountedByTheirQuestions(t *testing.T) {
	t.Parallel()
	storage, ca := newMemStorage(), newTestCA(t, "fleet")
	observes := func(c *ElectorConfig) { c.ObserverMetadata = map[string]string{"n": c.ServerID} }
	alone := func(c *ElectorConfig) { patient(c); c.QuorumSize = 0; observes(c) }
	leader := startMember(t, storage, ca, "a", alone)
	require.NoError(t, leader.WaitForLeadership(t.Context()))
	b, c := startMember(t, storage, ca, "b", alone), startMember(t, storage, ca, "c", alone)
	renewals := func(follower *member) {
		heard := map[time.Time]bool{}
		follower.until(t, "renewals by the leader's word", func(s *LeadershipStatus) bool {
			heard[s.PeerLastSeen] = true
			return len(heard) > 4
		})
	}
	renewals(b)
	renewals(c)
	before := storage.listed(t) // on a busy machine one may have begun on the storage
	renewals(b)
	renewals(c)
	assert.Equal(t, []string{"a", "b", "c"}, active(t, leader.S3Elector))
	assert.Equal(t, []string{"a", "b", "c"}, active(t, b.S3Elector), "the leader publishes its list")
	assert.Equal(t, 3, c.GetLeadershipStatus().ActiveObservers)
	assert.Equal(t, before, storage.listed(t), "nobody has written the list on the storage")
	observers := storage.published(t)
	require.Len(t, observers, 3)
	assert.Equal(t, map[string]string{"n": "c"}, observers[2].Metadata)
	require.NoError(t, c.Stop())
	assert.Equal(t, []string{"a", "b"}, active(t, leader.S3Elector), "who stops takes its leave")
}

func TestFollowersWithoutAClientCertificateAreCountedByWayOfTheStorage(t *testing.T) {
	t.Parallel()
	storage, ca := newMemStorage(), newTestCA(t, "fleet")
	logger, lines := newLogLines()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	own := func(c *ElectorConfig) {
		c.ServerAddr, c.LeaderTimeout = listener.Addr().String(), 3*time.Second
		c.PeerMode, c.PeerCACert, c.QuorumSize = true, ca.pem, 2
	}
	leader := newElector(t, storage, "a", own)
	server, err := NewHealthServer(HealthServerConfig{
		BindAddress: listener.Addr().String(), Certificate: ca.issue(t, "a"), Elector: leader, Logger: quiet(),
	})
	require.NoError(t, err)
	require.NoError(t, server.start(t.Context(), func() (net.Listener, error) { return listener, nil }))
	require.NoError(t, leader.Start(t.Context()))
	config := testConfig("b")
	own(config)
	config.NonVoting, config.ServerAddr = true, "127.0.0.1:1"
	follower, err := NewS3Elector(S3ElectorOptions{Config: config, Storage: storage, Logger: logger})
	require.NoError(t, err)
	require.NoError(t, follower.Start(t.Context()))
	require.NoError(t, leader.WaitForLeadership(t.Context()), "the two of them are a quorum")
	lines.wait(t, "heartbeats count only with a client certificate")
	assert.Equal(t, []string{"a", "b"}, active(t, leader))
	require.NotNil(t, storage.listed(t).Find("b"))
	require.NoError(t, follower.Stop())
	require.NoError(t, leader.Stop())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, server.Stop(ctx))
}

func TestHandoverInPeerModeIsAsFastWithAQuorum(t *testing.T) {
	t.Parallel()
	storage, ca := newMemStorage(), newTestCA(t, "fleet")
	var fleet []*member
	for i := range 3 {
		fleet = append(fleet, startMember(t, storage, ca, fmt.Sprint("n", i), patient))
	}
	var leader *member
	for _, m := range fleet {
		m.until(t, "three active members", func(s *LeadershipStatus) bool { return s.ActiveObservers == 3 && s.LeaderID != "" })
		if m.IsLeader() {
			leader = m
		}
	}
	require.NotNil(t, leader)
	for _, m := range fleet {
		if m != leader {
			m.until(t, "the leader's word", func(s *LeadershipStatus) bool { return !s.PeerLastSeen.IsZero() })
		}
	}
	begun := time.Now()
	require.NoError(t, leader.Resign(t.Context()))
	for _, m := range fleet {
		if m != leader {
			m.until(t, "another leader", func(s *LeadershipStatus) bool { return s.LeaderID != "" && s.LeaderID != leader.GetConfig().ServerID })
		}
	}
	t.Logf("another leader after %v", time.Since(begun))
}
