package s3lect

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ledBy starts an elector on the storage and waits until it leads.
func ledBy(t *testing.T, storage Storage, change ...func(*ElectorConfig)) *S3Elector {
	t.Helper()
	e := startElector(t, storage, "a", change...)
	require.NoError(t, e.WaitForLeadership(soon(t)))
	return e
}

// poll is a question that waits for news, with the moment of its answer.
type poll struct {
	done  chan struct{}
	told  Announcement
	leads bool
	at    time.Time
}

func startPoll(ctx context.Context, e *S3Elector, session string, after int64) *poll {
	p := &poll{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.told, p.leads = e.Announce(ctx, session, after)
		p.at = time.Now()
	}()
	synctest.Wait()
	return p
}

func (p *poll) answered() bool {
	synctest.Wait()
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func TestAnnouncementIsTheLastConfirmedRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		e := ledBy(t, storage)
		time.Sleep(12 * time.Second)
		a, leads := e.Announce(t.Context(), "", 0)
		require.True(t, leads)
		assert.Equal(t, e.Remaining().Milliseconds(), a.RemainingMillis)
		record := storage.record(t)
		assert.Equal(t, record.Nonce, a.Nonce)
		assert.Equal(t, record.Sequence, a.Sequence)
		assert.Equal(t, record.Session, a.Session)
		assert.EqualValues(t, 3, a.Sequence)
		assert.Equal(t, record.LastUpdated, a.LastUpdated)
		assert.Less(t, a.LastUpdated, time.Now().Add(-time.Second), "and not the present time")
		_, etag, err := storage.Get(t.Context(), testKey)
		require.NoError(t, err)
		assert.Equal(t, etag, a.ETag)
		assert.EqualValues(t, 5251, a.PollMillis)
		require.NoError(t, e.Stop())
	})
}

func TestLongPollIsAnsweredAtTheNextRenewal(t *testing.T) {
	for name, storage := range map[string]func() Storage{
		"the storage tells ETags": func() Storage { return newMemStorage() },
		"it does not":             func() Storage { return plain{newMemStorage()} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := ledBy(t, storage())
				time.Sleep(time.Second)
				now, _ := e.Announce(t.Context(), "", 0)
				require.NotEmpty(t, now.ETag)
				p := startPoll(t.Context(), e, now.Session, now.Sequence)
				began := time.Now()
				<-p.done
				assert.True(t, p.leads)
				assert.Equal(t, now.Sequence+1, p.told.Sequence)
				assert.NotEmpty(t, p.told.ETag)
				assert.InDelta(t, 4.2, p.at.Sub(began).Seconds(), 0.2)
				require.NoError(t, e.Stop())
			})
		})
	}
}

func TestLongPollIsAnsweredAtOnceWhereSomethingElseIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ledBy(t, newMemStorage())
		now, _ := e.Announce(t.Context(), "", 0)
		assert.True(t, startPoll(t.Context(), e, "another session", now.Sequence+100).answered())
		assert.True(t, startPoll(t.Context(), e, now.Session, now.Sequence-1).answered())
		assert.False(t, startPoll(t.Context(), e, now.Session, now.Sequence).answered())
		require.NoError(t, e.Stop())
	})
}

func TestLongPollEndsWithItsLimitWhileRenewalsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		e := ledBy(t, storage)
		storage.setFault(func(context.Context, string) error { return errWork })
		now, _ := e.Announce(t.Context(), "", 0)
		began := time.Now()
		p := startPoll(t.Context(), e, now.Session, now.Sequence)
		<-p.done
		assert.True(t, p.leads)
		assert.Equal(t, now.Nonce, p.told.Nonce, "a leader without storage has nothing new to tell")
		assert.Equal(t, now.LastUpdated, p.told.LastUpdated)
		assert.Equal(t, time.Duration(now.PollMillis)*time.Millisecond, p.at.Sub(began))
		storage.setFault(nil)
		require.NoError(t, e.Stop())
	})
}

func TestLongPollIsAnsweredWhenTheResignationIsWrittenAndNotBefore(t *testing.T) {
	for name, end := range map[string]func(*S3Elector) error{
		"Stop":               (*S3Elector).Stop,
		"Resign":             func(e *S3Elector) error { return e.Resign(context.Background()) },
		"TransferLeadership": func(e *S3Elector) error { return e.TransferLeadership(context.Background(), "b") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := newMemStorage()
				hook := make(chan struct{})
				e := ledBy(t, storage, func(c *ElectorConfig) {
					c.OnLoseLeadership = func(context.Context) error { <-hook; return nil }
				})
				now, _ := e.Announce(t.Context(), "", 0)
				p := startPoll(t.Context(), e, now.Session, now.Sequence)
				ended := make(chan error)
				go func() { ended <- end(e) }()
				synctest.Wait()
				assert.False(t, e.IsLeader())
				assert.False(t, p.answered(), "the hook runs")
				late := startPoll(t.Context(), e, now.Session, now.Sequence)
				assert.False(t, late.answered(), "neither is one that comes now")
				_, leads := e.Announce(t.Context(), "", 0)
				assert.False(t, leads)
				storage.setFault(func(context.Context, string) error { time.Sleep(time.Second); return nil })
				close(hook)
				assert.False(t, p.answered(), "the resignation is under way")
				<-p.done
				assert.False(t, p.leads)
				assert.True(t, storage.record(t).Resigned())
				<-late.done
				require.NoError(t, <-ended)
				require.NoError(t, e.Stop())
			})
		})
	}
}

func TestLongPollIsAnsweredAtOnceWhenTheLeadershipIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemStorage()
		e := ledBy(t, storage)
		now, _ := e.Announce(t.Context(), "", 0)
		p := startPoll(t.Context(), e, now.Session, now.Sequence)
		storage.put([]byte(`{"leaderID":"other","lastUpdated":"2026-01-01T00:00:00Z","term":9}`))
		for e.IsLeader() {
			time.Sleep(time.Millisecond)
		}
		assert.True(t, p.answered())
		assert.False(t, p.leads)
		require.NoError(t, e.Stop())
	})
}

func TestLongPollEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ledBy(t, newMemStorage())
		now, _ := e.Announce(t.Context(), "", 0)
		ctx, cancel := context.WithCancel(t.Context())
		p := startPoll(ctx, e, now.Session, now.Sequence)
		assert.False(t, p.answered())
		cancel()
		assert.True(t, p.answered())
		assert.True(t, p.leads, "it still leads, and says so")
		require.NoError(t, e.Stop())
	})
}

func TestAnnouncementTellsHowManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ledBy(t, newMemStorage())
		now, _ := e.Announce(t.Context(), "", 0)
		var polls []*poll
		for range 7 {
			polls = append(polls, startPoll(t.Context(), e, now.Session, now.Sequence))
		}
		for _, p := range polls {
			<-p.done
			assert.Equal(t, 7, p.told.Followers)
		}
		require.NoError(t, e.Stop())
	})
}

func TestQuestionsBeyondTheLimitAreAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ledBy(t, newMemStorage())
		now, _ := e.Announce(t.Context(), "", 0)
		e.podium.polls.Add(maxPolls)
		assert.True(t, startPoll(t.Context(), e, now.Session, now.Sequence).answered())
		e.podium.polls.Add(-maxPolls)
		assert.False(t, startPoll(t.Context(), e, now.Session, now.Sequence).answered())
		require.NoError(t, e.Stop())
	})
}

func TestAnElectorThatNeverLedAnswersAtOnce(t *testing.T) {
	e := newElector(t, newMemStorage(), "a")
	_, leads := e.Announce(t.Context(), "session", 7)
	assert.False(t, leads)
}

// slowlyRenewing leads on a storage in memory and renews every second.
func slowlyRenewing(t *testing.T) *S3Elector {
	t.Helper()
	return ledBy(t, newMemStorage(), func(c *ElectorConfig) { c.LeaderTimeout = 3 * time.Second })
}

// getAnnouncement asks a server.
func getAnnouncement(t *testing.T, client *http.Client, url string) (a Announcement) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	answer, err := client.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&a))
	return a
}

func TestLongPollOutlivesTheTimeoutsOfItsServer(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := slowlyRenewing(t)
			server := httptest.NewUnstartedServer(NewLeadershipHandler(e, quiet()))
			server.EnableHTTP2 = http2
			// Shorter than a poll, and long enough for a handshake on a busy machine.
			server.Config.ReadTimeout, server.Config.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond
			server.StartTLS()
			defer server.Close()
			now := getAnnouncement(t, server.Client(), server.URL)
			last, questions := now.Sequence+2, 0
			for ; now.Sequence < last; questions++ { // a busy machine may renew after the end of a poll
				now = getAnnouncement(t, server.Client(), server.URL+"?session="+now.Session+"&after="+strconv.FormatInt(now.Sequence, 10))
			}
			assert.LessOrEqual(t, questions, 10, "each waits for a renewal, or nearly as long")
			require.NoError(t, e.Stop())
		})
	}
}

// hidden is a middleware's ResponseWriter that cannot move deadlines.
type hidden struct{ http.ResponseWriter }

func TestLongPollIsAPlainAnswerWhereTheServerCutsItOff(t *testing.T) {
	e := slowlyRenewing(t)
	handler := NewLeadershipHandler(e, quiet())
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		handler(hidden{w}, req)
	}))
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	now := getAnnouncement(t, server.Client(), server.URL)
	began := time.Now()
	same := getAnnouncement(t, server.Client(), server.URL+"?session="+now.Session+"&after="+strconv.FormatInt(now.Sequence+1, 10))
	assert.Equal(t, now.Session, same.Session)
	assert.Less(t, time.Since(began), 900*time.Millisecond, "it did not wait for two renewals")
	require.NoError(t, e.Stop())
}

func TestOlderReadersOfTheAnswerFindTheirFields(t *testing.T) {
	e := slowlyRenewing(t)
	answer := ask(t, NewLeadershipHandler(e, quiet()), http.MethodGet)
	require.Equal(t, http.StatusOK, answer.Code)
	var old struct {
		LeaderID    string    `json:"leaderID"`
		LeaderAddr  string    `json:"leaderAddr"`
		LastUpdated time.Time `json:"lastUpdated"`
	}
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&old))
	assert.Equal(t, "a", old.LeaderID)
	assert.Equal(t, "127.0.0.1:8443", old.LeaderAddr)
	assert.WithinDuration(t, time.Now(), old.LastUpdated, 10*time.Second)
	require.NoError(t, e.Stop())
}

func TestQuestionsThatMakeNoSenseAreRefusedWithTheReason(t *testing.T) {
	h := NewLeadershipHandler(&fakeElector{leads: true}, quiet())
	for query, want := range map[string]int{
		"?session=s":                             http.StatusBadRequest,
		"?session=s&after=x":                     http.StatusBadRequest,
		"?session=s&after=-1":                    http.StatusBadRequest,
		"?session=s&after=99999999999999999999":  http.StatusBadRequest,
		"?session=s&after=7":                     http.StatusOK, // a fake does not know the long poll
		"?after=x":                               http.StatusOK,
		"?something=else":                        http.StatusOK,
		"?session=&after=":                       http.StatusOK,
		"?session=%zz":                           http.StatusOK, // not a parameter at all
		"?session=s&after=0&session=t&after=bad": http.StatusOK,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health/leadership"+query, http.NoBody))
		assert.Equal(t, want, w.Code, query)
		if want == http.StatusBadRequest {
			assert.Contains(t, w.Body.String(), "after=", query)
		}
	}
}

// What a thousand followers that wait cost their leader is measured by BenchmarkThousandWaitingFollowers.
func TestThousandWaitingFollowersAreAnsweredAndLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		e := ledBy(t, newMemStorage())
		now, _ := e.Announce(t.Context(), "", 0)
		var told sync.WaitGroup
		for range 1000 {
			told.Go(func() {
				a, leads := e.Announce(t.Context(), now.Session, now.Sequence)
				assert.True(t, leads)
				assert.Equal(t, now.Sequence+1, a.Sequence)
			})
		}
		told.Wait()
		assert.Zero(t, e.podium.polls.Load())
		require.NoError(t, e.Stop())
	})
}
