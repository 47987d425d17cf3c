package s3lect

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPeerThatInventsMembersDisturbsNobodyWhoIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newMemStorage(), newNetwork()
		a, _ := startCountedPeer(t, n, s, "a", withQuorum(2))
		b, _ := startCountedPeer(t, n, s, "b", withQuorum(2), nonVoting)
		require.NoError(t, a.WaitForLeadership(soon(t)))
		time.Sleep(time.Minute)
		large := `{"k":"` + strings.Repeat("v", 900) + `"}`
		refused := 0
		for i := range 1000 {
			_, answer := put(t, a, true, url.Values{"observer": {fmt.Sprint("invented-", i)}, "metadata": {large}})
			if !answer.Observed {
				refused++
				require.NotEmpty(t, answer.ObserverError)
			}
		}
		assert.Greater(t, refused, 900, "there is room for 60 KiB")
		time.Sleep(time.Minute)
		c, _ := startCountedPeer(t, n, s, "c", withQuorum(2), nonVoting)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"a", "b", "c"}, active(t, a), "the invented ones do not beat")
		assert.EqualValues(t, 1, a.Term())
		stopAll(t, []*S3Elector{a, b, c})
	})
}

func TestFarewellInTheNameOfTheLeaderIsSoonForgotten(t *testing.T) {
	for name, question := range map[string]url.Values{
		"of nobody":     {"observer": {""}, "leaving": {"1"}},
		"of the leader": {"observer": {"a"}, "leaving": {"1"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, n := newMemStorage(), newNetwork()
				a, _ := startCountedPeer(t, n, s, "a", withQuorum(2))
				b, _ := startCountedPeer(t, n, s, "b", withQuorum(2), nonVoting)
				require.NoError(t, a.WaitForLeadership(soon(t)))
				time.Sleep(time.Minute)
				code, _ := put(t, a, true, question)
				assert.Equal(t, http.StatusOK, code)
				time.Sleep(DefaultFrequentInterval)
				assert.Equal(t, []string{"a", "b"}, active(t, a))
				time.Sleep(time.Minute)
				assert.EqualValues(t, 1, a.Term())
				stopAll(t, []*S3Elector{a, b})
			})
		})
	}
}

// tell answers as the leader would, with the record on the storage, and more that is not true.
func tell(w http.ResponseWriter, s Storage, more string) {
	data, etag, err := s.Get(context.Background(), testKey)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, strings.TrimSuffix(string(data), "}")+fmt.Sprintf(`,"etag":%q`, etag)+more+"}")
}

// One that says that it counts the follower is believed, which can cost the leader its quorum, but no more.
func TestFollowerOfALyingPeerAsksNoMoreThanItMay(t *testing.T) {
	for name, lie := range map[string]string{
		"huge":     `,"activeObservers":9223372036854775807,"observed":true,"pollMillis":9223372036854775807`,
		"negative": `,"activeObservers":-9223372036854775808,"observed":true,"pollMillis":-5`,
		"overflow": `,"activeObservers":1e400`,
		"text":     `,"observerError":"` + strings.Repeat("x", 60000) + `","pollMillis":1`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, n := newMemStorage(), newNetwork()
				a, _ := startCountedPeer(t, n, s, "a", withQuorum(2))
				var questions atomic.Int64
				n.serve(a.GetConfig().ServerAddr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					questions.Add(1)
					tell(w, s, lie)
				}))
				b, _ := startCountedPeer(t, n, s, "b", withQuorum(2), nonVoting)
				require.NoError(t, a.WaitForLeadership(soon(t)))
				time.Sleep(5 * time.Minute)
				questions.Store(0)
				time.Sleep(15 * time.Minute)
				assert.LessOrEqual(t, questions.Load(), int64(4*15*time.Minute/DefaultFrequentInterval))
				assert.Positive(t, b.GetLeadershipStatus().ActiveObservers)
				assert.Less(t, len(b.GetLeadershipStatus().PeerError), 1000)
				if !strings.Contains(lie, `"observed":true`) {
					assert.EqualValues(t, 1, a.Term(), "b beats in the list: %v", a.GetLeadershipStatus().EndReason)
					assert.Equal(t, "a", b.LeaderID())
				}
				stopAll(t, []*S3Elector{a, b})
			})
		})
	}
}

// It says that it counts the follower, and that it will say nothing more for an hour.
func TestOneLieDoesNotSilenceAFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := newMemStorage(), newNetwork()
		a, _ := startCountedPeer(t, n, s, "a", withQuorum(2))
		n.serve(a.GetConfig().ServerAddr, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Query().Has("session") {
				<-req.Context().Done() // the long poll hangs
				return
			}
			tell(w, s, `,"observed":true,"pollMillis":3600000`)
		}))
		b, _ := startCountedPeer(t, n, s, "b", withQuorum(2), nonVoting)
		time.Sleep(20 * time.Second)
		require.NoError(t, a.Stop())
		n.serve(a.GetConfig().ServerAddr, nil)
		c := startElector(t, s, "c", withQuorum(2))
		begun := time.Now()
		require.NoError(t, c.WaitForLeadership(soon(t)), "b is there")
		assert.Less(t, time.Since(begun), 3*time.Minute)
		stopAll(t, []*S3Elector{b, c})
	})
}
