package s3lect

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
	"github.com/seed-6dc909bb/s3lect/internal/roster"
)

// refuseWrites is a storage that never takes a condition.
func refuseWrites(_ context.Context, op string) error {
	if op == "put" {
		return ErrStoragePrecondition
	}
	return nil
}

// ledFor looks for some time, and returns for how long of it an elector has led.
func ledFor(e *S3Elector, within time.Duration) time.Duration {
	const step = 100 * time.Millisecond
	led := time.Duration(0)
	for range within / step {
		time.Sleep(step)
		if e.IsLeader() {
			led += step
		}
	}
	return led
}

func TestOneHungReadOfTheListDoesNotEndTheLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		link := &rosterLink{memLink{Storage: s}}
		a, b := startElector(t, link, "a", withQuorum(2)), startElector(t, s, "b", withQuorum(2), nonVoting)
		require.NoError(t, a.WaitForLeadership(soon(t)))
		time.Sleep(time.Minute)
		var once atomic.Bool
		release := make(chan struct{})
		link.cut(func(context.Context, string) error {
			if !once.Swap(true) {
				<-release // ignores its context
			}
			return nil
		})
		time.Sleep(5 * time.Minute)
		require.True(t, once.Load())
		assert.EqualValues(t, 1, a.Term(), "all requests but one are answered: %v", a.GetLeadershipStatus().EndReason)
		close(release)
		stopAll(t, []*S3Elector{a, b})
	})
}

func TestLeaderThatCannotWriteTheListStillSeesTheOthers(t *testing.T) {
	for name, fault := range map[string]error{"refused": ErrStoragePrecondition, "unreachable": errUnreachable} {
		for _, grace := range []time.Duration{beatInterval, DefaultLeaderTimeout} {
			t.Run(fmt.Sprintf("%s, grace %v", name, grace), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newMemStorage()
					link := &rosterLink{memLink{Storage: s}}
					patience := func(c *ElectorConfig) { c.QuorumSize, c.GracePeriod = 2, grace }
					a, b := startElector(t, link, "a", patience), startElector(t, s, "b", patience, nonVoting)
					require.NoError(t, a.WaitForLeadership(soon(t)))
					time.Sleep(time.Minute)
					link.cut(func(_ context.Context, op string) error {
						if op == "put" {
							return fault
						}
						return nil
					})
					time.Sleep(20 * time.Minute)
					assert.EqualValues(t, 1, a.Term(), "%v", a.GetLeadershipStatus().Err)
					link.cut(nil)
					stopAll(t, []*S3Elector{a, b})
				})
			})
		}
	}
}

func TestLeaderThatCannotReadTheListStepsDownAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		link := &rosterLink{memLink{Storage: s}}
		a, b := startElector(t, link, "a", withQuorum(2)), startElector(t, s, "b", withQuorum(2), nonVoting)
		require.NoError(t, a.WaitForLeadership(soon(t)))
		time.Sleep(time.Minute)
		link.cut(unreachable)
		time.Sleep(3 * DefaultLeaderTimeout)
		status := a.GetLeadershipStatus()
		assert.False(t, status.IsLeader)
		assert.Equal(t, EndQuorumLost, status.EndReason)
		require.ErrorIs(t, status.Err, ErrQuorumLost)
		assert.ErrorIs(t, status.Err, errUnreachable)
		assert.ErrorContains(t, status.Err, testKey+".observers")
		link.cut(nil)
		stopAll(t, []*S3Elector{a, b})
	})
}

func TestStorageThatNeverTakesAConditionIsNamedAndSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &memLink{Storage: newMemStorage()}
		link.cut(refuseWrites)
		c := &counted{Storage: link}
		a := startElector(t, c, "a", withQuorum(2))
		time.Sleep(5 * time.Minute)
		c.reset()
		time.Sleep(time.Hour)
		assert.ErrorIs(t, a.GetLeadershipStatus().Err, ErrStoragePrecondition)
		assert.Less(t, c.list.Load(), int64(6000), "requests per hour, although each is answered at once")
		require.NoError(t, a.Stop())
	})
}

// lostClaim carries out the first write of the record without an answer, and answers no read of it for
// a while.
type lostClaim struct {
	Storage

	lost  atomic.Bool
	until atomic.Int64
}

func (l *lostClaim) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	if key != testKey || l.lost.Load() {
		return l.Storage.PutIfMatch(ctx, key, data, etag)
	}
	err := l.Storage.PutIfMatch(ctx, key, data, etag)
	l.until.Store(time.Now().Add(8 * time.Second).UnixNano())
	l.lost.Store(true)
	<-ctx.Done()
	return fmt.Errorf("%w; %w", ctx.Err(), err)
}

func (l *lostClaim) Get(ctx context.Context, key string) ([]byte, string, error) {
	if key == testKey && time.Now().UnixNano() < l.until.Load() {
		<-ctx.Done()
		return nil, "", ctx.Err()
	}
	return l.Storage.Get(ctx, key)
}

func TestClaimThatIsFoundToHaveLandedAfterTheQuorumHasGoneIsResigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		link := &lostClaim{Storage: s}
		a, b := startElector(t, link, "a", withQuorum(2)), startElector(t, s, "b", withQuorum(2), nonVoting)
		for !link.lost.Load() {
			time.Sleep(100 * time.Millisecond)
		}
		assert.False(t, s.record(t).Resigned())
		require.NoError(t, b.Stop())
		assert.Zero(t, ledFor(a, 10*time.Minute), "it was alone when it learnt of its claim")
		record := s.record(t)
		assert.EqualValues(t, 1, record.Term)
		assert.True(t, record.Resigned())
		assert.True(t, record.QuorumLost)
		require.NoError(t, a.Stop())
	})
}

func TestRemovedListCostsNoLeadership(t *testing.T) {
	for _, grace := range []time.Duration{time.Second, beatInterval, DefaultLeaderTimeout} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemStorage()
			patience := func(c *ElectorConfig) { c.QuorumSize, c.GracePeriod = 2, grace }
			a, b := startElector(t, s, "a", patience), startElector(t, s, "b", patience, nonVoting)
			require.NoError(t, a.WaitForLeadership(soon(t)))
			time.Sleep(5 * time.Minute)
			require.NotNil(t, s.replaceList(nil))
			time.Sleep(5 * time.Minute)
			assert.EqualValues(t, 1, a.Term(), "grace %v: all are alive and beat", grace)
			stopAll(t, []*S3Elector{a, b})
		})
	}
}

// Members that are long dead appear in it, as if they had just come.
func TestListThatIsPutBackFromACopyIsNoQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		b, c := startElector(t, s, "b", withQuorum(5)), startElector(t, s, "c", withQuorum(5))
		a := startElector(t, s, "a", withQuorum(3))
		require.NoError(t, a.WaitForLeadership(soon(t)))
		time.Sleep(2 * time.Minute)
		require.Len(t, s.listed(t).Observers, 3)
		copied := s.replaceList(nil)
		s.replaceList(copied)
		stopAll(t, []*S3Elector{b, c})
		time.Sleep(10 * time.Minute)
		require.False(t, a.IsLeader())
		record := *s.record(t)
		record.QuorumLost, record.Nonce = false, "resigned in the ordinary way" // else the quorum would have to stand for a lease
		data, err := record.Encode()
		require.NoError(t, err)
		s.put(data)
		time.Sleep(time.Minute)
		s.replaceList(copied)
		assert.Zero(t, ledFor(a, 2*time.Minute), "b and c have been gone for ten minutes")
		require.NoError(t, a.Stop())
	})
}

// The list has room for it, but not the memory of the leader, which counts its followers by the list then.
func TestListOfThousandsOfStrangersKeepsNobodyFromBeingCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newMemStorage(), newNetwork()
		list := &roster.Roster{Version: 5}
		for i := range 2500 {
			list.Observers = append(list.Observers, roster.Entry{ID: fmt.Sprint(i), Beats: 1})
		}
		data, err := list.Encode()
		require.NoError(t, err)
		s.replaceList(data)
		a, _ := startCountedPeer(t, n, s, "a", withQuorum(2))
		b, _ := startCountedPeer(t, n, s, "b", withQuorum(2), nonVoting)
		require.NoError(t, a.WaitForLeadership(soon(t)))
		time.Sleep(10 * time.Minute)
		assert.EqualValues(t, 1, a.Term())
		assert.Equal(t, 2, b.GetLeadershipStatus().ActiveObservers)
		stopAll(t, []*S3Elector{a, b})
	})
}

// Its record cannot say so before the work is over.
func TestLeadershipEndsWithItsQuorumAlsoWhileWorkOverruns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		a, b := newElector(t, s, "a", withQuorum(2)), startElector(t, s, "b", withQuorum(2), nonVoting)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- a.Lead(ctx, func(ctx context.Context, _ int64) error {
				<-ctx.Done()
				assert.False(t, a.IsLeader())
				assert.ErrorIs(t, context.Cause(ctx), ErrQuorumLost)
				time.Sleep(3 * time.Minute)
				return ctx.Err()
			})
		}()
		time.Sleep(time.Minute)
		require.True(t, a.IsLeader())
		require.NoError(t, b.Stop())
		time.Sleep(time.Minute)
		status := a.GetLeadershipStatus()
		assert.Equal(t, EndQuorumLost, status.EndReason)
		assert.ErrorIs(t, status.Err, ErrQuorumLost)
		b = startElector(t, s, "b", withQuorum(2))
		begun := time.Now()
		for !b.IsLeader() && time.Since(begun) < 10*time.Minute {
			time.Sleep(time.Second)
			assert.False(t, a.IsLeader())
		}
		assert.LessOrEqual(t, time.Since(begun), 2*DefaultLeaderTimeout, "a still counts, and its lease has run out")
		cancel()
		require.Error(t, <-done)
		require.NoError(t, b.Stop())
	})
}

func TestStrangeRecordOfALostQuorumDelaysTheElectionByALeaseAtMost(t *testing.T) {
	stranger := lease.Record{LeaderID: "z", LeaderAddr: "z:1", Term: 4, QuorumLost: true, Nonce: "n", Session: "s"}
	alive, handedOver := stranger, stranger
	alive.LastUpdated, alive.Lease = time.Unix(1, 0), DefaultLeaderTimeout
	handedOver.Lease, handedOver.Successor = time.Hour, "b"
	for name, record := range map[string]lease.Record{"held": alive, "handed over": handedOver} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemStorage()
				data, err := record.Encode()
				require.NoError(t, err)
				s.put(data)
				fleet := []*S3Elector{startElector(t, s, "a", withQuorum(2)), startElector(t, s, "b", withQuorum(2))}
				begun := time.Now()
				leader, _ := leaderOf(t, fleet)
				assert.GreaterOrEqual(t, time.Since(begun), DefaultLeaderTimeout)
				assert.LessOrEqual(t, time.Since(begun), DefaultLeaderTimeout+beatInterval)
				assert.EqualValues(t, 5, leader.Term())
				stopAll(t, fleet)
			})
		})
	}
}

func TestMembersWithDifferentLeasesAreAQuorum(t *testing.T) {
	for _, peerMode := range []bool{false, true} {
		for _, leases := range [][2]time.Duration{{15 * time.Second, time.Minute}, {time.Minute, 15 * time.Second}} {
			t.Run(fmt.Sprintf("%v, peer mode %v", leases, peerMode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, n := newMemStorage(), newNetwork()
					mode := func(c *ElectorConfig) { c.QuorumSize, c.PeerMode = 2, peerMode }
					a, _ := startCountedPeer(t, n, s, "a", mode, func(c *ElectorConfig) { c.LeaderTimeout = leases[0] })
					b, _ := startCountedPeer(t, n, s, "b", mode, nonVoting, func(c *ElectorConfig) { c.LeaderTimeout = leases[1] })
					require.NoError(t, a.WaitForLeadership(soon(t)))
					time.Sleep(time.Hour)
					assert.EqualValues(t, 1, a.Term(), "%v", a.GetLeadershipStatus().EndReason)
					stopAll(t, []*S3Elector{a, b})
				})
			})
		}
	}
}

func TestSecondMemberOfTheSameNameTakesNobodyAway(t *testing.T) {
	for _, peerMode := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, n := newMemStorage(), newNetwork()
			mode := func(c *ElectorConfig) { c.QuorumSize, c.PeerMode = 2, peerMode }
			a, _ := startCountedPeer(t, n, s, "a", mode)
			b, _ := startCountedPeer(t, n, s, "b", mode, nonVoting)
			again, _ := startCountedPeer(t, n, s, "b", mode, nonVoting)
			require.NoError(t, a.WaitForLeadership(soon(t)))
			time.Sleep(5 * time.Minute)
			require.NoError(t, again.Stop())
			time.Sleep(5 * time.Minute)
			assert.EqualValues(t, 1, a.Term(), "peer mode %v: %v", peerMode, a.GetLeadershipStatus().EndReason)
			stopAll(t, []*S3Elector{a, b})
		})
	}
}

// A very short lease and the longest. The other member takes its leave; where the lease is hardly longer than a
// request takes, that may be in vain, and it counts like a death.
func TestQuorumIsKeptAndLostInTimeWithExtremeDurations(t *testing.T) {
	for _, leaseTime := range []time.Duration{200 * time.Millisecond, MaxLeaderTimeout} {
		for _, grace := range []time.Duration{1, 5 * leaseTime} {
			grace = min(grace, MaxLeaderTimeout)
			for _, peerMode := range []bool{false, true} {
				t.Run(fmt.Sprintf("lease %v, grace %v, peer mode %v", leaseTime, grace, peerMode), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s, n := newMemStorage(), newNetwork()
						extreme := func(c *ElectorConfig) {
							c.QuorumSize, c.LeaderTimeout, c.GracePeriod, c.PeerMode = 2, leaseTime, grace, peerMode
						}
						a, _ := startCountedPeer(t, n, s, "a", extreme)
						b, _ := startCountedPeer(t, n, s, "b", extreme, nonVoting)
						require.NoError(t, a.WaitForLeadership(soon(t)))
						time.Sleep(5 * leaseTime)
						require.EqualValues(t, 1, a.Term(), "%v", a.GetLeadershipStatus().EndReason)
						leaving := time.Now()
						require.NoError(t, b.Stop())
						gone := time.Now()
						if grace > 1 {
							time.Sleep(time.Until(leaving.Add(grace - grace/100)))
							assert.True(t, a.IsLeader())
						}
						for a.IsLeader() {
							time.Sleep(leaseTime / 100)
						}
						assert.LessOrEqual(t, time.Since(gone), leaseTime+grace+leaseTime/3)
						assert.Equal(t, EndQuorumLost, a.GetLeadershipStatus().EndReason)
						require.NoError(t, a.Stop())
					})
				})
			}
		}
	}
}

func TestWatchTellsOfEachQuorumThatIsMissingWonAndLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		a := newElector(t, s, "a", withQuorum(2))
		ctx, cancel := context.WithCancel(t.Context())
		var told []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for status := range a.Watch(ctx) {
				what := ""
				switch {
				case status.IsLeader:
					what = fmt.Sprintf("leads in term %d", status.Term)
				case status.Err != nil:
					assert.ErrorIs(t, status.Err, ErrQuorumLost)
					what = fmt.Sprintf("too few, term %d ended: %v", status.EndedTerm, status.EndReason.Err())
				}
				if what != "" && (len(told) == 0 || told[len(told)-1] != what) {
					told = append(told, what)
				}
			}
		}()
		require.NoError(t, a.Start(t.Context()))
		for range 2 {
			time.Sleep(2 * time.Minute)
			b := startElector(t, s, "b", withQuorum(2), nonVoting)
			time.Sleep(2 * time.Minute)
			require.NoError(t, b.Stop())
		}
		time.Sleep(2 * time.Minute)
		cancel()
		<-done
		assert.Equal(t, []string{
			"too few, term 0 ended: <nil>",
			"leads in term 1",
			fmt.Sprint("too few, term 1 ended: ", ErrQuorumLost),
			"leads in term 2",
			fmt.Sprint("too few, term 2 ended: ", ErrQuorumLost),
		}, told)
		require.NoError(t, a.Stop())
	})
}
