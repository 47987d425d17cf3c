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

// inWorld runs a test with one process that does nothing by itself, in a certain weather.
func inWorld(t *testing.T, sky weather, do func(t *testing.T, w *world, l *etagLink)) {
	synctest.Test(t, func(t *testing.T) {
		p := calmProfile()
		p.nodes, p.weather = 1, sky
		w := newWorld(1, p, func(s3lect.S3ElectorOptions) (Candidate, error) { return &toy{}, nil }, nil, slog.LevelError)
		w.startNode(0, calmConfig(0, time.Minute))
		do(t, w, &etagLink{w.process(0).link})
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
	inWorld(t, weather{}, func(t *testing.T, w *world, l *etagLink) {
		first, err := l.PutIfMatchETag(t.Context(), mainKey, testRecord(1), "")
		require.NoError(t, err)
		require.ErrorIs(t, l.PutIfMatch(t.Context(), mainKey, testRecord(1), ""), s3lect.ErrStoragePrecondition)
		second, err := l.PutIfMatchETag(t.Context(), mainKey, testRecord(1), first)
		require.NoError(t, err)
		require.ErrorIs(t, l.PutIfMatch(t.Context(), mainKey, testRecord(1), first), s3lect.ErrStoragePrecondition)
		_, etag, err := l.Get(t.Context(), mainKey)
		require.NoError(t, err)
		assert.Equal(t, second, etag)
		assert.Equal(t, Counts{Reads: 1, Writes: 4, Refused: 2}, w.store.total())
	})
}

func TestEqualBytesHaveEqualETags(t *testing.T) {
	assert.Equal(t, etagOf([]byte("a")), etagOf([]byte("a")))
	assert.NotEqual(t, etagOf([]byte("a")), etagOf([]byte("b")))
}

func TestAbsentObjectIsNotFound(t *testing.T) {
	inWorld(t, weather{}, func(t *testing.T, w *world, l *etagLink) {
		_, _, err := l.Get(t.Context(), mainKey)
		require.ErrorIs(t, err, s3lect.ErrStorageNotFound)
		w.store.replace(mainKey, version{data: []byte("x"), etag: etagOf([]byte("x")), at: time.Now()})
		w.store.replace(mainKey, version{at: time.Now()})
		_, _, err = l.Get(t.Context(), mainKey)
		require.ErrorIs(t, err, s3lect.ErrStorageNotFound)
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
	inWorld(t, weather{lostReply: 1}, func(t *testing.T, w *world, l *etagLink) {
		data := testRecord(1)
		require.ErrorIs(t, l.PutIfMatch(t.Context(), mainKey, data, ""), errReset)
		assert.Equal(t, data, w.store.look(mainKey).data)
	})
}

func TestLateWriteLandsAfterItsSenderHasHeardOfAnError(t *testing.T) {
	inWorld(t, weather{lateWrite: 1, late: time.Minute}, func(t *testing.T, w *world, l *etagLink) {
		first := testRecord(1)
		w.store.replace(mainKey, version{data: first, etag: etagOf(first), record: parse(first), at: time.Now()})
		data := testRecord(1)
		require.ErrorIs(t, l.PutIfMatch(t.Context(), mainKey, data, etagOf(first)), errReset)
		assert.Equal(t, first, w.store.look(mainKey).data)
		time.Sleep(time.Minute)
		assert.Equal(t, data, w.store.look(mainKey).data)
	})
}

func TestDuplicatedWriteLandsAndIsRefused(t *testing.T) {
	inWorld(t, weather{duplicated: 1}, func(t *testing.T, w *world, l *etagLink) {
		data := testRecord(1)
		require.ErrorIs(t, l.PutIfMatch(t.Context(), mainKey, data, ""), s3lect.ErrStoragePrecondition)
		assert.Equal(t, data, w.store.look(mainKey).data)
	})
}

func TestHangingRequestEndsWithItsContextUnlessItIsDeaf(t *testing.T) {
	for name, deaf := range map[string]time.Duration{"obedient": 0, "deaf": time.Hour} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, weather{deaf: deaf}, func(t *testing.T, w *world, l *etagLink) {
				l.cut(hanging)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				_, _, err := l.Get(ctx, mainKey)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, deaf > 0, time.Since(began) > time.Second)
			})
		})
	}
}

func TestFrozenProcessIsNotGivenItsAnswer(t *testing.T) {
	inWorld(t, weather{}, func(t *testing.T, w *world, l *etagLink) {
		began := time.Now()
		time.AfterFunc(time.Millisecond, l.p.host.freeze)
		time.AfterFunc(time.Minute, l.p.host.thaw)
		data := testRecord(1)
		require.NoError(t, l.PutIfMatch(t.Context(), mainKey, data, ""))
		assert.Equal(t, time.Minute, time.Since(began))
		assert.Less(t, w.store.look(mainKey).at.Sub(began), time.Second, "the request was on its way")
	})
}

func TestRequestOfAFrozenProcessLeavesWhenItThaws(t *testing.T) {
	inWorld(t, weather{}, func(t *testing.T, w *world, l *etagLink) {
		began := time.Now()
		l.p.host.freeze()
		time.AfterFunc(time.Minute, l.p.host.thaw)
		require.NoError(t, l.PutIfMatch(t.Context(), mainKey, testRecord(1), ""))
		assert.GreaterOrEqual(t, w.store.look(mainKey).at.Sub(began), time.Minute)
	})
}

func TestDeadProcessReachesNothing(t *testing.T) {
	inWorld(t, weather{}, func(t *testing.T, w *world, l *etagLink) {
		l.p.host.kill()
		require.ErrorIs(t, l.PutIfMatch(t.Context(), mainKey, testRecord(1), ""), errDead)
		assert.False(t, w.store.look(mainKey).exists())
	})
}

func TestReadIsTornOnlyByACommitDuringIt(t *testing.T) {
	inWorld(t, weather{torn: 1}, func(t *testing.T, w *world, l *etagLink) {
		put := func() {
			data := testRecord(1)
			w.store.replace(mainKey, version{data: data, etag: etagOf(data), record: parse(data), at: time.Now()})
		}
		put()
		for range 50 {
			data, etag, err := l.Get(t.Context(), mainKey)
			require.NoError(t, err)
			require.Equal(t, etagOf(data), etag)
		}
		torn := 0
		for range 50 {
			time.AfterFunc(60*time.Millisecond, put)
			if data, etag, err := l.Get(t.Context(), mainKey); err == nil && etagOf(data) != etag {
				torn++
			}
			time.Sleep(time.Second)
		}
		assert.Positive(t, torn)
	})
}
