package rounds_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// keyed is a storage that lists the keys that were written, each twice, as lists may.
type keyed struct {
	*memory.Storage
	mu     sync.Mutex
	keys   map[string]bool
	broken error // ends a list after its first key
	refuse error // what a Delete answers
}

func newKeyed() *keyed { return &keyed{Storage: memory.New(), keys: map[string]bool{}} }

func (k *keyed) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	k.mu.Lock()
	k.keys[key] = true
	k.mu.Unlock()
	return k.Storage.PutIfMatch(ctx, key, data, etag)
}

func (k *keyed) List(_ context.Context, prefix string) iter.Seq2[string, error] {
	k.mu.Lock()
	keys := slices.Collect(maps.Keys(k.keys))
	k.mu.Unlock()
	return func(yield func(string, error) bool) {
		for _, key := range slices.Concat(keys, keys) {
			if len(key) >= len(prefix) && key[:len(prefix)] == prefix && !yield(key, nil) {
				return
			}
			if k.broken != nil {
				yield("", k.broken)
				return
			}
		}
	}
}

func (k *keyed) Delete(ctx context.Context, key string) error {
	if k.refuse != nil {
		return k.refuse
	}
	k.mu.Lock()
	delete(k.keys, key)
	k.mu.Unlock()
	return k.Storage.Delete(ctx, key)
}

func TestPruneRemovesOldRoundsAndKeepsTheLatestOfEachSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newKeyed()
		r := newRounds(t, store)
		win := func(system, round string) {
			_, _, err := r.Elect(t.Context(), system, round, ann)
			require.NoError(t, err)
		}
		win("billing", "old")
		win("billing", "long-job")
		win("billing", "b-old")
		win("yearly", "2025")
		require.NoError(t, store.PutIfMatch(t.Context(), "rounds/notes.txt", []byte("x"), ""))
		require.NoError(t, store.PutIfMatch(t.Context(), "rounds/billing/foreign.json", []byte("x"), ""))
		require.NoError(t, store.PutIfMatch(t.Context(), "leader.json", []byte("x"), ""))
		time.Sleep(10 * 24 * time.Hour)
		_, err := r.Complete(t.Context(), "billing", "long-job", ann)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		win("billing", "new")

		var reported, foreign []string
		prune := func(dry bool) rounds.PruneResult {
			reported, foreign = nil, nil
			result, err := r.Prune(t.Context(), 7*24*time.Hour, rounds.PruneOptions{
				DryRun:        dry,
				Report:        func(s rounds.State) { reported = append(reported, s.System+"/"+s.Round) },
				ReportForeign: func(key string) { foreign = append(foreign, key) },
			})
			require.NoError(t, err)
			assert.Equal(t, []string{"rounds/billing/foreign.json", "rounds/notes.txt"}, foreign)
			return result
		}
		want := rounds.PruneResult{Removed: 2, Kept: 3, Foreign: 2}
		assert.Equal(t, want, prune(true))
		assert.ElementsMatch(t, []string{"billing/old", "billing/b-old"}, reported)
		assert.Len(t, store.keys, 8, "a dry run removes nothing")
		assert.Equal(t, want, prune(false))
		assert.ElementsMatch(t, []string{"billing/old", "billing/b-old"}, reported)
		assert.Len(t, store.keys, 6)
		assert.Equal(t, rounds.PruneResult{Kept: 3, Foreign: 2}, prune(false))

		state, err := r.Elected(t.Context(), "yearly", "2025")
		require.NoError(t, err)
		assert.NotNil(t, state.Elected, "the latest of its system, however old")
	})
}

func TestPruneWorksThroughManyRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newKeyed()
		r := newRounds(t, store)
		for i := range 200 {
			elect(t, r, fmt.Sprint(i), ann)
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Hour)
		result, err := r.Prune(t.Context(), time.Hour, rounds.PruneOptions{})
		require.NoError(t, err)
		assert.Equal(t, rounds.PruneResult{Removed: 199, Kept: 1}, result)
		assert.True(t, store.keys["rounds/billing/199.json"])
	})
}

func TestPruneRefusesWhatCouldRemoveCurrentRounds(t *testing.T) {
	r := newRounds(t, newKeyed())
	for _, age := range []time.Duration{0, -time.Hour, time.Minute} {
		_, err := r.Prune(t.Context(), age, rounds.PruneOptions{})
		assert.ErrorContains(t, err, "less than 1h")
	}
	_, err := newRounds(t, struct{ s3lect.Storage }{memory.New()}).Prune(t.Context(), 2*time.Hour, rounds.PruneOptions{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestPruneStopsAtTheFirstErrorAndRemovesNothingOnHalfAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newKeyed()
		r := newRounds(t, store)
		for i := range 50 {
			elect(t, r, fmt.Sprint(i), ann)
		}
		time.Sleep(2 * time.Hour)
		store.broken = errors.New("connection reset")
		_, err := r.Prune(t.Context(), time.Hour, rounds.PruneOptions{})
		require.ErrorIs(t, err, store.broken)
		assert.Len(t, store.keys, 50)

		synctest.Wait() // a request can outlive its call
		store.broken, store.refuse = nil, errors.New("no permission")
		result, err := r.Prune(t.Context(), time.Hour, rounds.PruneOptions{})
		require.ErrorIs(t, err, store.refuse)
		assert.Zero(t, result.Removed)
		assert.Len(t, store.keys, 50)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		synctest.Wait()
		store.refuse = nil
		_, err = r.Prune(ctx, time.Hour, rounds.PruneOptions{})
		require.ErrorIs(t, err, context.Canceled)
		assert.Len(t, store.keys, 50)
	})
}
