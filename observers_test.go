package s3lect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
	"github.com/seed-6dc909bb/s3lect/internal/roster"
)

// rosterLink puts faults into the calls for the list of observers alone.
type rosterLink struct{ memLink }

func (l *rosterLink) Get(ctx context.Context, key string) ([]byte, string, error) {
	if strings.HasSuffix(key, observersSuffix) {
		return l.memLink.Get(ctx, key)
	}
	return l.Storage.Get(ctx, key)
}

func (l *rosterLink) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	if strings.HasSuffix(key, observersSuffix) {
		return l.memLink.PutIfMatch(ctx, key, data, etag)
	}
	return l.Storage.PutIfMatch(ctx, key, data, etag)
}

func withQuorum(n int) func(*ElectorConfig) {
	return func(c *ElectorConfig) { c.QuorumSize = n }
}

// nonVoting has an elector be counted, and never lead.
func nonVoting(c *ElectorConfig) { c.NonVoting = true }

// describes has an elector observe by itself.
func describes(c *ElectorConfig) { c.ObserverMetadata = map[string]string{} }

// listed returns the list of observers on the storage; nil if there is none.
func (s *memStorage) listed(t *testing.T) *roster.Roster {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.objects[ObserversKey(testKey)]
	if !ok {
		return nil
	}
	list, err := roster.Decode(data)
	require.NoError(t, err)
	return list
}

// replaceList puts another list of observers on the storage, nil for none, and returns the one that was there.
func (s *memStorage) replaceList(list []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := ObserversKey(testKey)
	old := s.objects[key]
	if s.objects[key] = list; list == nil {
		delete(s.objects, key)
	}
	return old
}

// published returns the list in the leader record on the storage.
func (s *memStorage) published(t *testing.T) []lease.Observer {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	return lease.DecodeObservers(s.objects[testKey])
}

// active returns who is active as an elector sees it.
func active(t *testing.T, e *S3Elector) []string {
	t.Helper()
	observers, err := e.Observers(t.Context())
	require.NoError(t, err)
	ids := []string{}
	for _, o := range observers {
		if o.Active {
			ids = append(ids, o.ID)
		}
	}
	n, err := e.GetActiveObservers(t.Context())
	require.NoError(t, err)
	require.Len(t, ids, n)
	return ids
}

func TestObserverIsActiveForALeaseAfterEachHeartbeatAndNeedsNoLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		mine, others := newElector(t, s, "a"), newElector(t, s, "b")
		require.NoError(t, mine.RegisterObserver(t.Context(), "sidecar", map[string]string{"zone": "eu"}))
		for range 5 {
			assert.Equal(t, []string{"sidecar"}, active(t, mine))
			assert.Equal(t, []string{"sidecar"}, active(t, others))
			time.Sleep(DefaultLeaderTimeout - time.Second)
			require.NoError(t, mine.UpdateHeartbeat(t.Context(), "sidecar"))
		}
		observers, err := others.Observers(t.Context())
		require.NoError(t, err)
		require.Len(t, observers, 1)
		assert.Equal(t, map[string]string{"zone": "eu"}, observers[0].Metadata)
		assert.WithinDuration(t, time.Now(), observers[0].LastHeartbeat, time.Second)
		time.Sleep(DefaultLeaderTimeout)
		assert.Empty(t, active(t, mine))
		assert.Empty(t, active(t, others))
		observers, err = others.Observers(t.Context())
		require.NoError(t, err)
		assert.Len(t, observers, 1, "it is known still")
	})
}

func TestUnregisteredObserverIsGoneEverywhereAndItsHeartbeatIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		mine, others := newElector(t, s, "a"), newElector(t, s, "b")
		require.NoError(t, mine.RegisterObserver(t.Context(), "sidecar", nil))
		assert.Equal(t, []string{"sidecar"}, active(t, others))
		require.NoError(t, mine.UnregisterObserver(t.Context(), "sidecar"))
		assert.Empty(t, active(t, others))
		assert.Empty(t, active(t, mine))
		err := mine.UpdateHeartbeat(t.Context(), "sidecar")
		require.ErrorIs(t, err, ErrObserverNotFound)
		assert.ErrorContains(t, err, `"sidecar"`)
		require.NoError(t, mine.UnregisterObserver(t.Context(), "sidecar"), "twice is no error")
	})
}

func TestHeartbeatsOfManyAtOnceAllCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		var all sync.WaitGroup
		for i := range 20 {
			e := newElector(t, s, fmt.Sprint("n", i))
			all.Go(func() {
				assert.NoError(t, e.RegisterObserver(t.Context(), fmt.Sprint("n", i), nil))
				for range 4 {
					assert.NoError(t, e.UpdateHeartbeat(t.Context(), fmt.Sprint("n", i)))
				}
			})
		}
		all.Wait()
		list := s.listed(t)
		require.Len(t, list.Observers, 20)
		assert.EqualValues(t, 100, list.Version, "each has changed it")
	})
}

func TestObserversThatCannotBeTakenAreRefusedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := newElector(t, s, "a")
		require.ErrorContains(t, e.RegisterObserver(t.Context(), "", nil), "observer's ID is required")
		require.ErrorContains(t, e.RegisterObserver(t.Context(), "x", map[string]string{"w": strings.Repeat("w", 2000)}), `observer "x": metadata takes`)
		require.ErrorContains(t, e.RegisterObserver(t.Context(), "x", map[string]string{"w": "\xff"}), "UTF-8")
		assert.Nil(t, s.listed(t))

		large := map[string]string{"w": strings.Repeat("w", 1000)}
		var err error
		n := 0
		for ; err == nil; n++ {
			err = e.RegisterObserver(t.Context(), fmt.Sprint("n", n), large)
		}
		require.ErrorIs(t, err, ErrObserversFull)
		assert.ErrorContains(t, err, "shorten the metadata")
		assert.Len(t, s.listed(t).Observers, n-1, "nothing is lost")
	})
}

func TestObjectThatIsNoListOfObserversIsNeverOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		s.objects[ObserversKey(testKey)] = []byte("somebody's notes")
		e := newElector(t, s, "a", withQuorum(2))
		err := e.RegisterObserver(t.Context(), "x", nil)
		require.ErrorIs(t, err, ErrBadRecord)
		require.ErrorAs(t, err, new(*BadObserversError))
		assert.ErrorContains(t, err, testKey+".observers")
		_, err = e.Observers(t.Context())
		require.ErrorIs(t, err, ErrBadRecord)
		require.NoError(t, e.Start(t.Context()))
		time.Sleep(time.Minute)
		status := e.GetLeadershipStatus()
		require.ErrorIs(t, status.Err, ErrQuorumLost)
		assert.ErrorContains(t, status.Err, "is not a list of observers", "the status says why nobody can be counted")
		require.NoError(t, e.Stop())
		assert.Equal(t, "somebody's notes", string(s.objects[ObserversKey(testKey)]))
	})
}

func TestElectorWithMetadataObservesByItselfAndLeavesWhenItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		described := func(c *ElectorConfig) { c.ObserverMetadata = map[string]string{"id": c.ServerID} }
		a, b := startElector(t, s, "a", described), startElector(t, s, "b", described)
		plain := startElector(t, s, "c")
		for range 20 {
			time.Sleep(7 * time.Second)
			assert.Equal(t, []string{"a", "b"}, active(t, a))
			assert.Equal(t, []string{"a", "b"}, active(t, b))
			assert.Equal(t, []string{"a", "b"}, active(t, plain), "one that is no observer sees the others")
		}
		assert.Equal(t, 2, a.GetLeadershipStatus().ActiveObservers)
		assert.Zero(t, plain.GetLeadershipStatus().ActiveObservers)
		require.NoError(t, b.Stop())
		require.Len(t, s.listed(t).Observers, 1)
		time.Sleep(DefaultLeaderTimeout / 2)
		assert.Equal(t, []string{"a"}, active(t, a))
		require.NoError(t, a.Stop())
		assert.Empty(t, s.listed(t).Observers)
		require.NoError(t, plain.Stop())
	})
}

func TestElectorsThatDoNotObserveNeverTouchTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		touched := errors.New("touched")
		link := &rosterLink{memLink{Storage: s}}
		link.cut(func(context.Context, string) error { t.Error("a request for the list"); return touched })
		e := startElector(t, link, "a")
		time.Sleep(10 * time.Minute)
		assert.True(t, e.IsLeader())
		require.NoError(t, e.Stop())
	})
}

func TestDepartedObserverIsTakenOffByTheOthersAfterTenLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a", func(c *ElectorConfig) { c.ObserverMetadata = map[string]string{} })
		require.NoError(t, newElector(t, s, "b").RegisterObserver(t.Context(), "gone", nil))
		time.Sleep(9 * DefaultLeaderTimeout)
		require.NotNil(t, s.listed(t).Find("gone"))
		time.Sleep(2 * DefaultLeaderTimeout)
		require.Nil(t, s.listed(t).Find("gone"))
		require.NotNil(t, s.listed(t).Find("a"))
		require.NoError(t, e.Stop())
	})
}

func TestLeaderPublishesWhomItHasHeardFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		described := func(c *ElectorConfig) { c.ObserverMetadata = map[string]string{"zone": "eu"} }
		a, b := startElector(t, s, "a", described), startElector(t, s, "b", described)
		time.Sleep(time.Minute)
		observers := s.published(t)
		require.Len(t, observers, 2)
		assert.Equal(t, "b", observers[1].ID)
		assert.Equal(t, "eu", observers[1].Metadata["zone"])
		assert.Less(t, observers[1].AgeMillis, int64(6000))
		require.NoError(t, a.Stop())
		require.NoError(t, b.Stop())
	})
}

func TestOtherSoftwareReadsTheRecordUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		a := startElector(t, s, "a", func(c *ElectorConfig) { c.ObserverMetadata = map[string]string{"zone": "eu"} })
		time.Sleep(time.Minute)
		var old struct {
			LeaderID    string    `json:"leaderID"`
			LastUpdated time.Time `json:"lastUpdated"`
		}
		data, _, err := s.Get(t.Context(), testKey)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &old))
		assert.Equal(t, "a", old.LeaderID)
		assert.WithinDuration(t, time.Now(), old.LastUpdated, 6*time.Second)
		require.NoError(t, a.Stop())
	})
}

func TestConfigurationOfMembersThatCannotBeUsedIsNamed(t *testing.T) {
	for field, change := range map[string]func(*ElectorConfig){
		"QuorumSize":       func(c *ElectorConfig) { c.QuorumSize = -1 },
		"QuorumSize 1001":  func(c *ElectorConfig) { c.QuorumSize = 1001 },
		"GracePeriod":      func(c *ElectorConfig) { c.GracePeriod = -time.Second },
		"ObserverMetadata": func(c *ElectorConfig) { c.ObserverMetadata = map[string]string{"w": strings.Repeat("w", 2000)} },
		"LockfilePath":     func(c *ElectorConfig) { c.QuorumSize, c.LockfilePath = 2, strings.Repeat("k", 1020) },
	} {
		config := testConfig("a")
		change(config)
		assert.ErrorContains(t, config.Validate(), field)
	}
	config := testConfig("a")
	require.NoError(t, config.Validate())
	assert.Equal(t, DefaultLeaderTimeout, config.GracePeriod)
}
