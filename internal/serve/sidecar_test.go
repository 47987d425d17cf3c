package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func told(t *testing.T, body string) leadership {
	t.Helper()
	var l leadership
	require.NoError(t, json.Unmarshal([]byte(body), &l), body)
	return l
}

func TestSidecarTellsWhoLeads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := memory.New()
		other := elector(t, storage, "other")
		require.NoError(t, other.Start(t.Context()))
		synctest.Wait()
		time.Sleep(time.Second)
		f := start(t, func(o *Options) {
			o.Storage = storage
			withSidecar(t)(o)
		})
		time.Sleep(time.Second)

		got := f.get("/leader")
		assert.Equal(t, 200, got.StatusCode)
		assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
		assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
		assert.JSONEq(t, `{"leader":"other","address":"other:1","term":1,"self":false,"remainingMillis":0,"key":"leader.json"}`, got.body)
		got = f.get("/leader/self")
		assert.Equal(t, 503, got.StatusCode)
		assert.Equal(t, "other", told(t, got.body).Leader, "says who does")

		require.NoError(t, other.Stop())
		time.Sleep(10 * time.Second)
		for _, path := range []string{"/leader", "/leader/self"} {
			got = f.get(path)
			assert.Equal(t, 200, got.StatusCode)
			l := told(t, got.body)
			assert.Positive(t, l.RemainingMillis)
			l.RemainingMillis = 0
			assert.Equal(t, leadership{Leader: "me", Address: "me:1", Term: 2, Self: true, Key: "leader.json"}, l)
		}
		require.NoError(t, f.end())
	})
}

func TestSidecarSaysThatNobodyLeadsAndWhatIsWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := memory.New()
		require.NoError(t, storage.PutIfMatch(t.Context(), "leader.json", []byte("not a record"), ""))
		f := start(t, func(o *Options) {
			o.Storage = storage
			withSidecar(t)(o)
		})
		time.Sleep(time.Second)
		got := f.get("/leader")
		assert.Equal(t, 200, got.StatusCode, "that nobody leads is an answer")
		l := told(t, got.body)
		assert.Empty(t, l.Leader)
		assert.Contains(t, l.Error, "is not a leader record")
		assert.Equal(t, 503, f.get("/leader/self").StatusCode)
		assert.Equal(t, 200, f.get("/readyz").StatusCode, "rounds are decided all the same")
		require.NoError(t, f.end())
	})
}

func TestSelfEndsWithTheLeaseAlthoughTheStorageHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := stuck{memory.New(), make(chan struct{})}
		var e *s3lect.S3Elector
		f := start(t, func(o *Options) {
			o.Storage = storage
			e = elector(t, storage, "me")
			o.Elector = e
		})
		time.Sleep(time.Second)
		require.Equal(t, 200, f.get("/leader/self").StatusCode)
		close(storage.hang)
		for range 200 {
			remaining := e.Remaining() // no time passes from here to the answer
			got := f.get("/leader/self")
			l := told(t, got.body)
			assert.Equal(t, remaining > 0, got.StatusCode == http.StatusOK)
			assert.Equal(t, remaining > 0, l.Self)
			assert.Equal(t, remaining.Milliseconds(), l.RemainingMillis)
			if !l.Self {
				assert.NotEqual(t, "me", l.Leader)
			}
			time.Sleep(100 * time.Millisecond)
		}
		assert.Equal(t, 503, f.get("/leader/self").StatusCode)
		_ = f.end() // the leadership ended long ago
	})
}

// scripted is an elector that says what a test wants.
type scripted struct {
	leads   atomic.Bool
	changes chan s3lect.LeadershipStatus
	stop    func() // what Stop does

	mu     sync.Mutex
	status s3lect.LeadershipStatus
}

func (*scripted) Start(context.Context) error { return nil }
func (e *scripted) IsLeader() bool            { return e.leads.Load() }
func (e *scripted) Term() int64               { return e.GetLeadershipStatus().Term }
func (*scripted) Remaining() time.Duration    { return time.Second }

func (e *scripted) Stop() error {
	if e.stop != nil {
		e.stop()
	}
	return nil
}

func (e *scripted) GetLeadershipStatus() *s3lect.LeadershipStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	status := e.status
	return &status
}

func (e *scripted) set(status s3lect.LeadershipStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	status.LastElectionTime = time.Now()
	e.status = status
}

func (e *scripted) Watch(ctx context.Context) iter.Seq[s3lect.LeadershipStatus] {
	return func(yield func(s3lect.LeadershipStatus) bool) {
		for yield(*e.GetLeadershipStatus()) {
			select {
			case status := <-e.changes:
				e.set(status)
			case <-ctx.Done():
				return
			}
		}
	}
}

func TestSelfAsksLastWhetherItLeads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &scripted{}
		e.set(s3lect.LeadershipStatus{IsLeader: true, Term: 3, LeaderID: "me"})
		f := start(t, func(o *Options) { o.Elector = e })
		got := f.get("/leader/self") // the leadership ends while the answer is made
		assert.Equal(t, 503, got.StatusCode)
		assert.Equal(t, leadership{Term: 3}, told(t, got.body))
		e.leads.Store(true)
		assert.Equal(t, 200, f.get("/leader/self").StatusCode)
		require.NoError(t, f.end())
	})
}

func TestOldStatusDoesNotClaimALeadership(t *testing.T) {
	t.Parallel()
	e := elector(t, memory.New(), "me")
	s := newSidecar(e, 0, NewMetrics())
	was := &s3lect.LeadershipStatus{IsLeader: true, LeaderID: "me", LeaderAddr: "me:1", Term: 4, LockfilePath: "k"}
	assert.Equal(t, leadership{Term: 4, Key: "k"}, s.view(was))
}

// event reads the next one.
func event(t *testing.T, lines *bufio.Reader) (id string, l leadership) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "id: "):
			id = line[len("id: "):]
		case strings.HasPrefix(line, "data: "):
			l = told(t, line[len("data: "):])
		case line == "" && id != "":
			return id, l
		}
	}
}

func TestStreamTellsTheLeadershipAtOnceAndThenEveryChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := memory.New()
		other := elector(t, storage, "other")
		require.NoError(t, other.Start(t.Context()))
		time.Sleep(time.Second)
		f := start(t, func(o *Options) {
			o.Storage = storage
			withSidecar(t)(o)
		})
		time.Sleep(time.Second)
		lines, hangUp := f.stream()
		defer hangUp()
		began := time.Now()
		id, l := event(t, lines)
		assert.Zero(t, time.Since(began))
		assert.Equal(t, "1", id)
		assert.Equal(t, leadership{Leader: "other", Address: "other:1", Term: 1, Key: "leader.json"}, l)

		require.NoError(t, other.Stop())
		id, l = event(t, lines)
		assert.Equal(t, "2", id)
		assert.Equal(t, leadership{Term: 1, Key: "leader.json"}, l)
		id, l = event(t, lines)
		assert.Equal(t, "3", id)
		assert.True(t, l.Self)
		assert.Equal(t, int64(2), l.Term)

		f.stop()
		id, l = event(t, lines)
		assert.Equal(t, "4", id)
		assert.Equal(t, leadership{Term: 2, Key: "leader.json"}, l, "the end of the own leadership")
		rest, err := io.ReadAll(lines)
		require.NoError(t, err, "the stream ends in order")
		assert.Empty(t, rest)
		require.NoError(t, <-f.served)
	})
}

func TestStreamEndsWithWhatHoldsInTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &scripted{}
		e.set(s3lect.LeadershipStatus{IsLeader: true, Term: 3, LeaderID: "me"})
		e.stop = func() { e.set(s3lect.LeadershipStatus{Term: 3}) } // and tells no watcher
		f := start(t, func(o *Options) { o.Elector = e })
		lines, hangUp := f.stream()
		defer hangUp()
		_, l := event(t, lines)
		assert.True(t, l.Self)
		f.stop()
		_, l = event(t, lines)
		assert.Equal(t, leadership{Term: 3}, l)
		_, err := io.Copy(io.Discard, lines)
		require.NoError(t, err)
		require.NoError(t, <-f.served)
	})
}

func TestSilentStreamStaysOpenAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, withSidecar(t))
		time.Sleep(time.Second)
		lines, hangUp := f.stream()
		defer hangUp()
		event(t, lines)
		began := time.Now()
		for n := 1; n <= 100; n++ { // far beyond all limits of other requests
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, ": still here\n", line)
			assert.Equal(t, time.Duration(n)*streamComment, time.Since(began))
			_, err = lines.ReadString('\n')
			require.NoError(t, err)
		}
		require.NoError(t, f.end())
	})
}

func TestSlowReaderHoldsNobodyUpAndIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, withSidecar(t))
		time.Sleep(time.Second)
		conn := f.dial()
		defer conn.Close()
		_, err := io.WriteString(conn, "GET /leader/watch HTTP/1.1\r\nHost: x\r\n\r\n") // and reads nothing
		require.NoError(t, err)
		lines, hangUp := f.stream()
		defer hangUp()
		event(t, lines)
		assert.Contains(t, f.get("/metrics").body, "\ns3lect_leader_watchers 2\n")
		time.Sleep(streamPatience)
		synctest.Wait()
		assert.Contains(t, f.get("/metrics").body, "\ns3lect_leader_watchers 1\n")
		assert.Equal(t, 200, f.get("/leader/self").StatusCode, "the election goes on")
		require.NoError(t, f.end())
	})
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(o *Options) {
			o.MaxStreams = 2
			withSidecar(t)(o)
		})
		time.Sleep(time.Second)
		_, hangUp := f.stream()
		f.stream()
		got := f.get("/leader/watch")
		assert.Equal(t, 503, got.StatusCode)
		assert.Equal(t, "5", got.Header.Get("Retry-After"))
		assert.Contains(t, got.body, `"code":"too_many_streams"`)
		hangUp()
		synctest.Wait()
		f.stream()
		require.NoError(t, f.end())
	})
}

func TestStreamOfAClientThatIsGoneEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, withSidecar(t))
		time.Sleep(time.Second)
		_, hangUp := f.stream()
		hangUp()
		synctest.Wait()
		assert.Contains(t, f.get("/metrics").body, "\ns3lect_leader_watchers 0\n")
		require.NoError(t, f.end())
	})
}

func TestEveryChangeIsToldInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &scripted{changes: make(chan s3lect.LeadershipStatus)}
		e.set(s3lect.LeadershipStatus{})
		s := newSidecar(e, 0, NewMetrics())
		server := &http.Server{Handler: http.HandlerFunc(s.watch)}
		network := newNetwork()
		go func() { _ = server.Serve(network) }()
		f := &fixture{t: t, client: &http.Client{Transport: &http.Transport{DialContext: network.dial}}}
		lines, hangUp := f.stream()
		event(t, lines)
		go func() {
			for term := range int64(19) {
				e.changes <- s3lect.LeadershipStatus{LeaderID: "a", Term: term/2 + 1} // each but the last one twice
			}
		}()
		for term := range int64(10) {
			_, l := event(t, lines)
			assert.Equal(t, term+1, l.Term)
		}
		hangUp()
		require.NoError(t, server.Close())
	})
}
