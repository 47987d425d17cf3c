package s3lect

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/roster"
)

// fullList is a list that takes no observer with that metadata any more.
func fullList(t *testing.T, metadata map[string]string) []byte {
	t.Helper()
	list := &roster.Roster{}
	for i := 0; list.Register(fmt.Sprint("pod-", i), metadata) == nil; i++ {
		require.Less(t, i, 10000)
	}
	data, err := list.Encode()
	require.NoError(t, err)
	return data
}

func TestFullListOfTheDeadMakesRoomForTheLiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		metadata := map[string]string{"zone": strings.Repeat("z", 200)}
		s.replaceList(fullList(t, metadata))
		fleet := startFleet(t, s, 3, withQuorum(2), func(c *ElectorConfig) { c.ObserverMetadata = metadata })
		time.Sleep(5 * DefaultLeaderTimeout)
		for _, e := range fleet {
			require.False(t, e.IsLeader(), "there is no room, and so no proof that anybody is there")
			require.ErrorIs(t, e.GetLeadershipStatus().Err, ErrObserversFull)
		}
		time.Sleep(15 * DefaultLeaderTimeout)
		list := s.listed(t)
		assert.Len(t, list.Observers, 3, "the dead were taken off after ten leases")
		assert.NotNil(t, list.Find("n0"))
		leaderOf(t, fleet)
		stopAll(t, fleet)
	})
}

func TestListAtTheLimitOfItsNumbersStaysAList(t *testing.T) {
	const limit = 1<<53 - 2
	for name, list := range map[string]string{
		"version": fmt.Sprintf(`{"version":%d,"observers":[]}`, int64(limit)),
		"beats":   fmt.Sprintf(`{"version":1,"observers":[{"id":"x","beats":%d}]}`, int64(limit)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := roster.Decode([]byte(list))
				require.NoError(t, err)
				s := newMemStorage()
				s.replaceList([]byte(list))
				e := newElector(t, s, "a")
				for range 3 {
					_ = e.RegisterObserver(t.Context(), "x", nil) // may be refused
					_ = e.UpdateHeartbeat(t.Context(), "x")
				}
				_, err = roster.Decode(s.replaceList(nil))
				assert.NoError(t, err)
			})
		})
	}
}

// However many it has heard from, and however long its own name is in JSON: a record has its limit.
func TestPublishedListNeverKeepsALeaderFromRenewing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		a := startElector(t, s, strings.Repeat("<", maxIdentifier)) // six bytes each in JSON
		require.NoError(t, a.WaitForLeadership(soon(t)))
		metadata := map[string]string{"m": strings.Repeat("m", 900)}
		for i := range 200 {
			_ = a.attend(fmt.Sprint("follower-", i), metadata) // refused when there is no room
		}
		time.Sleep(time.Minute)
		assert.True(t, a.IsLeader())
		assert.Empty(t, a.GetLeadershipStatus().LastError)
		assert.WithinDuration(t, time.Now(), s.record(t).LastUpdated, DefaultFrequentInterval+time.Second)
		require.NoError(t, a.Stop())
	})
}

func TestWhoCeasesToObserveTakesItsLeaveOfTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newMemStorage(), newNetwork()
		a, _ := startCountedPeer(t, n, s, "a", describes)
		require.NoError(t, a.WaitForLeadership(soon(t)))
		b, _ := startCountedPeer(t, n, s, "b", describes)
		time.Sleep(time.Minute)
		require.Equal(t, []string{"a", "b"}, active(t, a))
		config := *b.GetConfig()
		config.ObserverMetadata = nil
		require.NoError(t, b.UpdateConfig(config))
		time.Sleep(2 * time.Second)
		assert.Equal(t, []string{"a"}, active(t, a))
		stopAll(t, []*S3Elector{a, b})
	})
}

func TestWhoTakesAnotherNameTakesLeaveUnderTheOldOne(t *testing.T) {
	for _, peerMode := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, n := newMemStorage(), newNetwork()
			mode := func(c *ElectorConfig) { c.PeerMode = peerMode }
			a, _ := startCountedPeer(t, n, s, "a", mode, describes)
			b, _ := startCountedPeer(t, n, s, "b", mode, describes, nonVoting)
			time.Sleep(2 * time.Minute)
			config := *b.GetConfig()
			config.ServerID = "c"
			require.NoError(t, b.UpdateConfig(config))
			time.Sleep(7 * time.Second)
			assert.Equal(t, []string{"a", "c"}, active(t, a), "peer mode %v", peerMode)
			stopAll(t, []*S3Elector{a, b})
		})
	}
}

func TestThoseWhoHaveGoneAreForgottenEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newMemStorage(), newNetwork()
		a, _ := startCountedPeer(t, n, s, "a", describes)
		require.NoError(t, a.WaitForLeadership(soon(t)))
		b := startElector(t, s, "b", describes)
		peer := verified(NewLeadershipHandler(a, quiet()))
		for i := range 200 {
			time.Sleep(time.Minute)
			req := httptest.NewRequest(http.MethodGet, fmt.Sprint("https://a/?observer=pod-", i), http.NoBody)
			peer.ServeHTTP(httptest.NewRecorder(), req)
			require.NoError(t, b.RegisterObserver(t.Context(), fmt.Sprint("job-", i), nil))
			if i%3 == 0 {
				require.NoError(t, b.UnregisterObserver(t.Context(), fmt.Sprint("job-", i)))
			}
			for _, e := range []*S3Elector{a, b} { // who looks remembers
				_, err := e.Observers(t.Context())
				require.NoError(t, err)
			}
		}
		const most = 2 + 2*3 // of pods and jobs those of the last ten leases
		assert.LessOrEqual(t, len(a.attendance().Members()), most)
		assert.LessOrEqual(t, len(b.attendance().Members()), most)
		assert.LessOrEqual(t, len(s.published(t)), most)
		assert.LessOrEqual(t, len(s.listed(t).Observers), most)
		stopAll(t, []*S3Elector{a, b})
	})
}

// The context of a hook may outlive its leadership, and be what another elector is started with.
func TestEndOfAnotherElectorsLeadershipIsNotInherited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		got := make(chan *LeadershipEnd, 1)
		second := newElector(t, s, "b", func(c *ElectorConfig) {
			c.LockfilePath = "other.json"
			c.OnAcquireLeadership = func(ctx context.Context) error {
				got <- LeadershipEndOf(ctx)
				return nil
			}
		})
		first := startElector(t, s, "a", func(c *ElectorConfig) {
			c.OnLoseLeadership = func(ctx context.Context) error {
				assert.NotNil(t, LeadershipEndOf(ctx))
				return second.Start(context.WithoutCancel(ctx))
			}
		})
		require.NoError(t, first.WaitForLeadership(soon(t)))
		require.NoError(t, first.Stop())
		assert.Nil(t, <-got, "the second leadership has just begun")
		require.NoError(t, second.Stop())
	})
}

// It reads about once per lease: reads that take longer by less than a second must not make a lease look run out.
func TestFollowerWithSlowReadsNamesTheLeaderThatRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		a := startElector(t, s, "a")
		require.NoError(t, a.WaitForLeadership(soon(t)))
		link := &memLink{Storage: s}
		w := startElector(t, link, "w", nonVoting)
		time.Sleep(2 * time.Minute)
		reads := 0
		link.cut(func(ctx context.Context, _ string) error {
			if reads++; reads%2 == 0 {
				select {
				case <-time.After(800 * time.Millisecond):
				case <-ctx.Done():
				}
			}
			return nil
		})
		for range 6000 {
			time.Sleep(500 * time.Millisecond)
			require.Equal(t, "a", w.LeaderID())
		}
		stopAll(t, []*S3Elector{a, w})
	})
}
