package s3lect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/env"
)

// beatInterval is the interval between two heartbeats where LeaderTimeout is the default.
const beatInterval = DefaultLeaderTimeout / 3

// verified has every question come as if with a client certificate that was verified.
func verified(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{nil}}}
		h.ServeHTTP(w, req)
	})
}

// lane is one process's way to its peers. It can be cut, and it can be slow.
type lane struct {
	*network

	hung  atomic.Bool
	delay atomic.Int64 // of answers, in nanoseconds
}

func (l *lane) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if l.hung.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	answer, err := l.network.RoundTrip(req)
	delay := time.Duration(l.delay.Load())
	if delay == 0 { // Go 1.26's race detector crashes now and then on a timer of 0 in a bubble
		return answer, err
	}
	select {
	case <-time.After(delay):
		return answer, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// silence has nobody at that address, who takes questions and never answers.
func (n *network) silence(addr string) {
	n.serve(addr, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }))
}

// startCountedPeer starts an elector in peer mode whose questions count as heartbeats, and that counts
// those of others.
func startCountedPeer(t *testing.T, n *network, storage Storage, id string, change ...func(*ElectorConfig)) (*S3Elector, *lane) {
	t.Helper()
	config := testConfig(id)
	config.ServerAddr, config.PeerMode = id+".example:8443", true
	for _, f := range change {
		f(config)
	}
	machine := *env.System()
	l := &lane{network: n}
	machine.PeerTransport = l
	e, err := NewS3Elector(S3ElectorOptions{Config: config, Storage: storage, Logger: quiet(), Env: &machine})
	require.NoError(t, err)
	n.serve(config.ServerAddr, verified(NewLeadershipHandler(e, quiet())))
	require.NoError(t, e.Start(t.Context()))
	return e, l
}

// countedPeers is a fleet of counted peers, each of which can be cut off.
type countedPeers struct {
	fleet []*S3Elector
	links map[*S3Elector]*memLink
	lanes map[*S3Elector]*lane
}

func startPeers(t *testing.T, n *network, storage Storage, size int, change ...func(*ElectorConfig)) *countedPeers {
	t.Helper()
	p := &countedPeers{links: map[*S3Elector]*memLink{}, lanes: map[*S3Elector]*lane{}}
	for i := range size {
		link := &memLink{Storage: storage}
		e, l := startCountedPeer(t, n, link, fmt.Sprint("n", i), change...)
		p.fleet, p.links[e], p.lanes[e] = append(p.fleet, e), link, l
	}
	return p
}

// crash cuts one off from the storage and from all others, which do not learn of it.
func (p *countedPeers) crash(e *S3Elector) {
	p.links[e].cut(hang)
	p.lanes[e].hung.Store(true)
	p.lanes[e].silence(e.GetConfig().ServerAddr)
}

// stop mends everything, and stops all.
func (p *countedPeers) stop(t *testing.T) {
	t.Helper()
	for _, e := range p.fleet {
		p.links[e].cut(nil)
		p.lanes[e].hung.Store(false)
	}
	stopAll(t, p.fleet)
}

// Members of two that a leader needs, in peer mode: what happens at any moment of the three leases between
// two of its looks at the list.
func TestLeaderIsNotDemotedWhenFollowersLoseTheConnectionAndBeatOnTheStorage(t *testing.T) {
	for _, grace := range []time.Duration{beatInterval / 2, beatInterval, DefaultLeaderTimeout} {
		t.Run(grace.String(), func(t *testing.T) {
			patience := func(c *ElectorConfig) { c.QuorumSize, c.GracePeriod = 2, grace }
			for offset := range 12 {
				synctest.Test(t, func(t *testing.T) {
					s, n := newMemStorage(), newNetwork()
					a, _ := startCountedPeer(t, n, s, "a", patience)
					b, way := startCountedPeer(t, n, s, "b", patience, nonVoting)
					require.NoError(t, a.WaitForLeadership(soon(t)))
					time.Sleep(5*time.Minute + time.Duration(offset)*3900*time.Millisecond)
					require.EqualValues(t, 1, a.Term())
					way.hung.Store(true)
					time.Sleep(5 * time.Minute)
					way.hung.Store(false)
					time.Sleep(5 * time.Minute)
					assert.EqualValues(t, 1, a.Term(), "b has counted its heartbeats all the time: %v", a.GetLeadershipStatus().EndReason)
					stopAll(t, []*S3Elector{a, b})
				})
			}
		})
	}
}

func TestLeaderSeesANewMemberInTheListBeforeItStepsDown(t *testing.T) {
	for offset := range 9 {
		synctest.Test(t, func(t *testing.T) {
			s, n := newMemStorage(), newNetwork()
			a, _ := startCountedPeer(t, n, s, "a", withQuorum(2))
			b, _ := startCountedPeer(t, n, s, "b", withQuorum(2), nonVoting)
			require.NoError(t, a.WaitForLeadership(soon(t)))
			time.Sleep(5*time.Minute + time.Duration(offset)*5*time.Second)
			c := startElector(t, s, "c", withQuorum(2), nonVoting) // not in peer mode
			time.Sleep(5 * time.Second)
			require.NoError(t, b.Stop())
			time.Sleep(5 * time.Minute)
			assert.EqualValues(t, 1, a.Term(), "c has replaced b: %v", a.GetLeadershipStatus().EndReason)
			stopAll(t, []*S3Elector{a, c})
		})
	}
}

func TestTurningPeerModeOffKeepsTheLeader(t *testing.T) {
	for offset := range 9 {
		synctest.Test(t, func(t *testing.T) {
			s, n := newMemStorage(), newNetwork()
			a, _ := startCountedPeer(t, n, s, "a", withQuorum(2))
			b, _ := startCountedPeer(t, n, s, "b", withQuorum(2), nonVoting)
			require.NoError(t, a.WaitForLeadership(soon(t)))
			time.Sleep(5*time.Minute + time.Duration(offset)*5*time.Second)
			for _, e := range []*S3Elector{a, b} {
				config := *e.GetConfig()
				config.PeerMode = false
				require.NoError(t, e.UpdateConfig(config))
			}
			time.Sleep(5 * time.Minute)
			assert.EqualValues(t, 1, a.Term(), "%v", a.GetLeadershipStatus().EndReason)
			stopAll(t, []*S3Elector{a, b})
		})
	}
}

// With an interval of more than half a lease questions are older than that when they are answered.
func TestLeaderCountsItsFollowersAlsoWithALongInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPeers(t, newNetwork(), newMemStorage(), 3, func(c *ElectorConfig) { c.QuorumSize, c.FrequentInterval = 2, 12*time.Second })
		leader, others := leaderOf(t, p.fleet)
		time.Sleep(3 * time.Minute)
		for range 60 {
			time.Sleep(time.Second)
			for _, e := range others {
				require.Equal(t, 3, e.GetLeadershipStatus().ActiveObservers)
			}
		}
		begun := time.Now()
		require.NoError(t, leader.Resign(t.Context()))
		leaderOf(t, others)
		assert.Less(t, time.Since(begun), 7*time.Second, "the members meet in the list")
		p.stop(t)
	})
}

func TestQuorumStandsWithIntervalsFarApart(t *testing.T) {
	for _, grace := range []time.Duration{time.Second, DefaultLeaderTimeout} {
		synctest.Test(t, func(t *testing.T) {
			s, n := newMemStorage(), newNetwork()
			far := func(c *ElectorConfig) { c.QuorumSize, c.FrequentInterval, c.GracePeriod = 3, 12*time.Second, grace }
			a, _ := startCountedPeer(t, n, s, "a", far)
			b, _ := startCountedPeer(t, n, s, "b", far, nonVoting)
			c, _ := startCountedPeer(t, n, s, "c", far, nonVoting)
			require.NoError(t, a.WaitForLeadership(soon(t)))
			time.Sleep(time.Hour)
			assert.EqualValues(t, 1, a.Term(), "grace %v: %v", grace, a.GetLeadershipStatus().EndReason)
			stopAll(t, []*S3Elector{a, b, c})
		})
	}
}

// Followers that wait for an answer of a leader that is gone meet in the list all the same.
func TestLargePeerTimeoutDoesNotWithholdTheQuorumAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPeers(t, newNetwork(), newMemStorage(), 3, withQuorum(2), func(c *ElectorConfig) { c.PeerTimeout = 10 * time.Minute })
		leader, others := leaderOf(t, p.fleet)
		time.Sleep(3 * time.Minute)
		p.crash(leader)
		for _, e := range others {
			p.lanes[e].hung.Store(true) // questions under way are answered still; those after hang
		}
		begun := time.Now()
		for leader.IsLeader() {
			time.Sleep(time.Second)
		}
		leaderOf(t, others)
		assert.LessOrEqual(t, time.Since(begun), 4*DefaultLeaderTimeout)
		p.stop(t)
	})
}

// All find out at once that the leader is gone, and all of them have to be seen in the list.
func TestCrowdOfPeersReplacesACrashedLeaderWithinTwoLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 40
		p := startPeers(t, newNetwork(), newMemStorage(), size, withQuorum(size/2+1))
		leader, others := leaderOf(t, p.fleet)
		time.Sleep(3 * time.Minute)
		p.crash(leader)
		begun := time.Now()
		for leader.IsLeader() {
			time.Sleep(100 * time.Millisecond)
		}
		leaderOf(t, others)
		assert.LessOrEqual(t, time.Since(begun), 2*DefaultLeaderTimeout)
		p.stop(t)
	})
}

// What it vouches for is as old as the word when it arrives.
func TestWordThatComesLateKeepsTheBoundOfALeadershipWithoutQuorum(t *testing.T) {
	const grace = time.Second
	for offset := range 32 {
		synctest.Test(t, func(t *testing.T) {
			s, n := newMemStorage(), newNetwork()
			slow := func(c *ElectorConfig) { c.QuorumSize, c.GracePeriod, c.PeerTimeout = 2, grace, 12*time.Second }
			link := &memLink{Storage: s}
			a, _ := startCountedPeer(t, n, s, "a", slow)
			c, wayOfC := startCountedPeer(t, n, link, "c", slow, nonVoting)
			require.NoError(t, a.WaitForLeadership(soon(t)))
			b, wayOfB := startCountedPeer(t, n, s, "b", slow)
			time.Sleep(3 * time.Minute)
			require.True(t, a.IsLeader())
			wayOfB.delay.Store(int64(11 * time.Second))
			time.Sleep(2*time.Minute + time.Duration(offset)*500*time.Millisecond)
			link.cut(hang)
			wayOfC.hung.Store(true)
			died := time.Now()
			time.Sleep(15 * time.Second)
			wayOfB.delay.Store(0) // b learns at once that a goes, from the answer that a still owes
			require.NoError(t, a.Stop())
			n.serve("a.example:8443", nil) // its process has ended, and b is alone
			led := time.Duration(0)
			for time.Since(died) < 2*time.Minute {
				time.Sleep(50 * time.Millisecond)
				if b.IsLeader() {
					led = time.Since(died)
				}
			}
			assert.LessOrEqual(t, led, DefaultLeaderTimeout+grace+100*time.Millisecond)
			link.cut(nil)
			wayOfC.hung.Store(false)
			stopAll(t, []*S3Elector{b, c})
		})
	}
}

func TestNextLeaderIsSoonThereAndStaysHoweverTheLastOneWent(t *testing.T) {
	for way, end := range map[string]func(ctx context.Context, leader *S3Elector, next string) error{
		"Stop":   func(_ context.Context, leader *S3Elector, _ string) error { return leader.Stop() },
		"Resign": func(ctx context.Context, leader *S3Elector, _ string) error { return leader.Resign(ctx) },
		"TransferLeadership": func(ctx context.Context, leader *S3Elector, next string) error {
			return leader.TransferLeadership(ctx, next)
		},
	} {
		for peerMode, limit := range map[bool]time.Duration{false: DefaultLeaderTimeout + time.Second, true: 400 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s with peer mode %v", way, peerMode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := startPeers(t, newNetwork(), newMemStorage(), 5, withQuorum(3), func(c *ElectorConfig) { c.PeerMode = peerMode })
					leader, others := leaderOf(t, p.fleet)
					time.Sleep(3 * time.Minute)
					begun := time.Now()
					require.NoError(t, end(t.Context(), leader, others[2].GetConfig().ServerID))
					next, _ := leaderOf(t, others)
					assert.LessOrEqual(t, time.Since(begun), limit)
					time.Sleep(10 * time.Minute)
					assert.True(t, next.IsLeader())
					assert.EqualValues(t, 2, next.Term())
					p.stop(t)
				})
			})
		}
	}
}

func TestStatusNeverSaysThatEnoughAreTooFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPeers(t, newNetwork(), newMemStorage(), 3, withQuorum(3))
		leader, others := leaderOf(t, p.fleet)
		time.Sleep(3 * time.Minute)
		require.NoError(t, leader.Stop())
		kept := 0
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			for _, e := range others {
				if status := e.GetLeadershipStatus(); status.Err != nil {
					kept++
					assert.Less(t, status.ActiveObservers, status.QuorumSize, "%v", status.Err)
				}
			}
		}
		assert.NotZero(t, kept, "two are too few")
		p.stop(t)
	})
}

// All die at any moment but the leader: it leads for at most lease + grace, and one heartbeat that may just have
// been written, h, and what a look takes.
func TestNobodyLeadsWithoutQuorumForLongerThanTheBound(t *testing.T) {
	const grace = time.Second
	for _, peerMode := range []bool{false, true} {
		worst := time.Duration(0)
		for moment := range 20 {
			synctest.Test(t, func(t *testing.T) {
				p := startPeers(t, newNetwork(), newMemStorage(), 4, func(c *ElectorConfig) { c.QuorumSize, c.PeerMode, c.GracePeriod = 3, peerMode, grace })
				leader, others := leaderOf(t, p.fleet)
				time.Sleep(2*time.Minute + time.Duration(moment)*991*time.Millisecond)
				if moment%3 == 0 { // right after a handover
					require.NoError(t, leader.Resign(t.Context()))
					_, others = leaderOf(t, p.fleet)
				}
				for _, e := range others {
					p.crash(e)
				}
				died := time.Now()
				for time.Since(died) < 2*time.Minute {
					time.Sleep(50 * time.Millisecond)
					for _, e := range p.fleet {
						if e.IsLeader() {
							worst = max(worst, time.Since(died))
						}
					}
				}
				p.stop(t)
			})
		}
		t.Logf("peer mode %v: led for at most %v after the deaths", peerMode, worst)
		assert.Greater(t, worst, DefaultLeaderTimeout-beatInterval)
		assert.LessOrEqual(t, worst, DefaultLeaderTimeout+grace+beatInterval+time.Second)
	}
}
