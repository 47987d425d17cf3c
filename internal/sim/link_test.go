package sim

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// scene is a world with one process that does nothing by itself, and that process's link.
type scene struct {
	*testing.T
	w *world
	l *etagLink
}

// inWorld runs a test on a scene in a certain weather.
func inWorld(t *testing.T, sky weather, do func(scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := calmProfile(1)
		p.weather = sky
		w := newWorld(1, p, func(s3lect.S3ElectorOptions) (Candidate, error) { return &toy{}, nil }, nil, slog.LevelError)
		w.startNode(0, calmConfig(0, time.Minute))
		do(scene{t, w, &etagLink{w.process(0).link}})
		close(w.calm)
		w.close()
	})
}

var testRecords atomic.Int64

// testRecord is a record that breaks no rule.
func testRecord(term int64) []byte {
	r := record{LeaderID: "node-0", LastUpdated: time.Unix(1, 0), Term: term, Session: "s", Nonce: fmt.Sprint(testRecords.Add(1)), LeaseMillis: 1000}
	return r.encode()
}

func TestStaleETagIsRefusedAndTheCurrentOneIsNot(t *testing.T) {
	inWorld(t, weather{}, func(s scene) {
		first, err := s.l.PutIfMatchETag(s.Context(), mainKey, testRecord(1), "")
		require.NoError(s, err)
		require.ErrorIs(s, s.l.PutIfMatch(s.Context(), mainKey, testRecord(1), ""), s3lect.ErrStoragePrecondition)
		second, err := s.l.PutIfMatchETag(s.Context(), mainKey, testRecord(1), first)
		require.NoError(s, err)
		require.ErrorIs(s, s.l.PutIfMatch(s.Context(), mainKey, testRecord(1), first), s3lect.ErrStoragePrecondition)
		_, etag, err := s.l.Get(s.Context(), mainKey)
		require.NoError(s, err)
		assert.Equal(s, second, etag)
		assert.Equal(s, Counts{Reads: 1, Writes: 4, Refused: 2}, s.w.store.total(leaderRecord))
	})
}

func TestEqualBytesHaveEqualETags(t *testing.T) {
	assert.Equal(t, etagOf([]byte("a")), etagOf(append([]byte{}, 'a')))
	assert.NotEqual(t, etagOf([]byte("a")), etagOf([]byte("b")))
}

func TestAbsentObjectIsNotFound(t *testing.T) {
	inWorld(t, weather{}, func(s scene) {
		_, _, err := s.l.Get(s.Context(), mainKey)
		require.ErrorIs(s, err, s3lect.ErrStorageNotFound)
		s.w.store.replace(mainKey, version{data: []byte("x"), etag: etagOf([]byte("x")), at: time.Now()})
		s.w.store.replace(mainKey, version{at: time.Now()})
		_, _, err = s.l.Get(s.Context(), mainKey)
		require.ErrorIs(s, err, s3lect.ErrStorageNotFound)
	})
}

func TestStaleReadAnswersAVersionOfThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		for _, data := range []string{"a", "b", "c"} {
			s.replace("k", version{data: []byte(data), etag: etagOf([]byte(data)), at: time.Now()})
			time.Sleep(time.Second)
		}
		assert.Equal(t, "c", string(s.getStale("k", time.Second).data))
		assert.Equal(t, "b", string(s.getStale("k", 1500*time.Millisecond).data))
		assert.Equal(t, "a", string(s.getStale("k", time.Hour).data), "as far back as is known")
	})
}

func TestReplyIsLostAfterTheWriteHasLanded(t *testing.T) {
	inWorld(t, weather{lostReply: 1}, func(s scene) {
		data := testRecord(1)
		require.ErrorIs(s, s.l.PutIfMatch(s.Context(), mainKey, data, ""), errReset)
		assert.Equal(s, data, s.w.store.look(mainKey).data)
	})
}

func TestLateWriteLandsAfterItsSenderHasHeardOfAnError(t *testing.T) {
	inWorld(t, weather{lateWrite: 1, late: time.Minute}, func(s scene) {
		first := testRecord(1)
		s.w.store.replace(mainKey, version{data: first, etag: etagOf(first), record: parse(first), at: time.Now()})
		data := testRecord(1)
		require.ErrorIs(s, s.l.PutIfMatch(s.Context(), mainKey, data, etagOf(first)), errReset)
		assert.Equal(s, first, s.w.store.look(mainKey).data)
		time.Sleep(time.Minute)
		assert.Equal(s, data, s.w.store.look(mainKey).data)
	})
}

func TestDuplicatedWriteLandsAndIsRefused(t *testing.T) {
	inWorld(t, weather{duplicated: 1}, func(s scene) {
		data := testRecord(1)
		require.ErrorIs(s, s.l.PutIfMatch(s.Context(), mainKey, data, ""), s3lect.ErrStoragePrecondition)
		assert.Equal(s, data, s.w.store.look(mainKey).data)
	})
}

func TestHangingRequestEndsWithItsContextUnlessItIsDeaf(t *testing.T) {
	for name, deaf := range map[string]time.Duration{"obedient": 0, "deaf": time.Hour} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, weather{deaf: deaf}, func(s scene) {
				s.l.cut(hanging)
				ctx, cancel := context.WithTimeout(s.Context(), time.Second)
				defer cancel()
				began := time.Now()
				_, _, err := s.l.Get(ctx, mainKey)
				require.ErrorIs(s, err, context.DeadlineExceeded)
				assert.Equal(s, deaf > 0, time.Since(began) > time.Second)
			})
		})
	}
}

func TestFrozenProcessIsNotGivenItsAnswer(t *testing.T) {
	inWorld(t, weather{}, func(s scene) {
		began := time.Now()
		time.AfterFunc(time.Millisecond, s.l.p.host.freeze)
		time.AfterFunc(time.Minute, s.l.p.host.thaw)
		data := testRecord(1)
		require.NoError(s, s.l.PutIfMatch(s.Context(), mainKey, data, ""))
		assert.Equal(s, time.Minute, time.Since(began))
		assert.Less(s, s.w.store.look(mainKey).at.Sub(began), time.Second, "the request was on its way")
	})
}

func TestRequestOfAFrozenProcessLeavesWhenItThaws(t *testing.T) {
	inWorld(t, weather{}, func(s scene) {
		began := time.Now()
		s.l.p.host.freeze()
		time.AfterFunc(time.Minute, s.l.p.host.thaw)
		require.NoError(s, s.l.PutIfMatch(s.Context(), mainKey, testRecord(1), ""))
		assert.GreaterOrEqual(s, s.w.store.look(mainKey).at.Sub(began), time.Minute)
	})
}

func TestDeadProcessReachesNothing(t *testing.T) {
	inWorld(t, weather{}, func(s scene) {
		s.l.p.host.kill()
		require.ErrorIs(s, s.l.PutIfMatch(s.Context(), mainKey, testRecord(1), ""), errDead)
		assert.False(s, s.w.store.look(mainKey).exists())
	})
}

func TestReadIsTornOnlyByACommitDuringIt(t *testing.T) {
	inWorld(t, weather{torn: 1}, func(s scene) {
		put := func() {
			data := testRecord(1)
			s.w.store.replace(mainKey, version{data: data, etag: etagOf(data), record: parse(data), at: time.Now()})
		}
		put()
		for range 50 {
			data, etag, err := s.l.Get(s.Context(), mainKey)
			require.NoError(s, err)
			require.Equal(s, etagOf(data), etag)
		}
		torn := 0
		for range 50 {
			time.AfterFunc(60*time.Millisecond, put)
			if data, etag, err := s.l.Get(s.Context(), mainKey); err == nil && etagOf(data) != etag {
				torn++
			}
			time.Sleep(time.Second)
		}
		assert.Positive(s, torn)
	})
}

func TestListOfObserversCanFailAlone(t *testing.T) {
	inWorld(t, weather{}, func(s scene) {
		s.l.silence(refusing)
		_, _, err := s.l.Get(s.Context(), mainRoster)
		require.ErrorIs(s, err, errUnreachable)
		require.NoError(s, s.l.PutIfMatch(s.Context(), mainKey, testRecord(1), ""))
		s.l.silence(connected)
		_, _, err = s.l.Get(s.Context(), mainRoster)
		require.ErrorIs(s, err, s3lect.ErrStorageNotFound)
	})
}

// TestWriterOfTheListLeavesOthersAlone shows the judge what it must catch.
func TestWriterOfTheListLeavesOthersAlone(t *testing.T) {
	const others = `{"version":1,"observers":[{"id":"node-0","beats":1},{"id":"node-7","beats":1}]}`
	for name, c := range map[string]struct {
		before, after string
		want          []string
	}{
		"a heartbeat":            {others, `{"version":2,"observers":[{"id":"node-0","beats":2},{"id":"node-7","beats":1}]}`, nil},
		"leaving":                {others, `{"version":2,"observers":[{"id":"node-7","beats":1}]}`, nil},
		"another's counter":      {others, `{"version":2,"observers":[{"id":"node-0","beats":2},{"id":"node-7","beats":2}]}`, []string{Roster}},
		"another newcomer":       {others, `{"version":2,"observers":[{"id":"node-0","beats":2},{"id":"node-7","beats":1},{"id":"x","beats":1}]}`, []string{Roster}},
		"no heartbeat":           {others, `{"version":2,"observers":[{"id":"node-0","beats":1},{"id":"node-7","beats":1}]}`, []string{Roster}},
		"an older version":       {others, `{"version":1,"observers":[{"id":"node-0","beats":2},{"id":"node-7","beats":1}]}`, []string{Roster}},
		"another is taken off":   {others, `{"version":2,"observers":[{"id":"node-0","beats":2}]}`, []string{Roster}},
		"a stranger's object":    {"hello", `{"version":1,"observers":[{"id":"node-0","beats":1}]}`, []string{Overwritten}},
		"something that is none": {others, `{}`, []string{Roster}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, weather{}, func(s scene) {
				now := versionOf(mainRoster, []byte(c.before))
				s.w.store.replace(mainRoster, now)
				s.w.monitor.listed[member{mainKey, "node-7"}] = time.Now()
				delete(s.w.monitor.meddled, mainKey) // for a while it would excuse what is taken off
				require.NoError(s, s.l.PutIfMatch(s.Context(), mainRoster, []byte(c.after), now.etag))
				var kinds []string
				for _, v := range s.w.monitor.violations {
					kinds = append(kinds, v.Kind)
				}
				assert.Equal(s, c.want, kinds)
			})
		})
	}
}
