package storagetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// everyCall makes each call once and returns the errors by the names of the methods.
func everyCall(ctx context.Context, s storage.Storage) map[string]error {
	_, get := s.Get(ctx, []byte("a"))
	_, getRange := s.GetRange(ctx, storage.Range{})
	return map[string]error{
		"Set":      s.Set(ctx, []byte("a"), []byte("changed")),
		"Get":      get,
		"Delete":   s.Delete(ctx, []byte("a")),
		"Batch":    s.Batch(ctx, []storage.Operation{{Key: []byte("a"), Value: []byte("changed")}}),
		"GetRange": getRange,
	}
}

func testEndedContext(t *testing.T, s storage.Storage) {
	t.Helper()
	set(t, s, "a", "one")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for method, err := range everyCall(ended, s) {
		assert.ErrorIs(t, err, context.Canceled, method)
	}
	requireValue(t, s, "a", "one")
}

func testClosed(t *testing.T, s storage.Storage) {
	t.Helper()
	set(t, s, "a", "one")
	require.NoError(t, s.Close())
	for method, err := range everyCall(t.Context(), s) {
		assert.ErrorIs(t, err, storage.ErrClosed, method)
	}
	require.NoError(t, s.Close(), "a second Close")
}

// testConcurrency has several goroutines write keys of their own and read everything meanwhile.
func testConcurrency(t *testing.T, s storage.Storage) {
	t.Helper()
	const writers, rounds = 8, 30
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("writer-%d", w)
				key := numbered(name, i)
				assert.NoError(t, s.Batch(t.Context(), []storage.Operation{
					{Key: key, Value: key},
					{Key: numbered(name, i-1), Delete: true},
				}))
				pairs, err := s.GetRange(t.Context(), storage.Range{})
				assert.NoError(t, err)
				own := 0
				for _, pair := range pairs {
					assert.Equal(t, pair.Key, pair.Value)
					if string(pair.Key) == string(key) {
						own++
					}
				}
				assert.Equal(t, 1, own, "what this goroutine has just written")
			}
		})
	}
	group.Wait()
	pairs, err := s.GetRange(t.Context(), storage.Range{})
	require.NoError(t, err)
	require.Len(t, pairs, writers)
}

// testReadYourWrites reads in other goroutines what has been answered.
func testReadYourWrites(t *testing.T, s storage.Storage) {
	t.Helper()
	answered := make(chan int)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range answered {
				got, err := s.Get(t.Context(), numbered("key", i))
				assert.NoError(t, err)
				assert.Equal(t, string(numbered("value", i)), string(got))
			}
		})
	}
	for i := range 200 {
		require.NoError(t, s.Set(t.Context(), numbered("key", i), numbered("value", i)))
		answered <- i
	}
	close(answered)
	group.Wait()
}

// testCloseWhileBusy closes while others write and read: each of their calls works or says that the storage is closed.
func testCloseWhileBusy(t *testing.T, s storage.Storage) {
	t.Helper()
	var group sync.WaitGroup
	var calls atomic.Int64
	for w := range 4 {
		group.Go(func() {
			for i := 0; ; i++ {
				err := s.Set(t.Context(), numbered("key", w), numbered("value", i))
				if err == nil {
					_, err = s.GetRange(t.Context(), storage.Range{Limit: 10})
				}
				if err != nil {
					assert.ErrorIs(t, err, storage.ErrClosed)
					return
				}
				calls.Add(1)
			}
		})
	}
	for calls.Load() < 40 && !t.Failed() {
		_, err := s.Get(t.Context(), []byte("key"))
		require.ErrorIs(t, err, storage.ErrNotFound)
	}
	require.NoError(t, s.Close())
	group.Wait()
}
