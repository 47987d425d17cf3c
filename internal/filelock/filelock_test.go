package filelock

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestOnlyOneOpenFileHoldsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)

	require.NoError(t, Lock(t.Context(), first))
	locked, err := tryLock(second)
	require.NoError(t, err)
	assert.False(t, locked, "a second lock while the first is held")

	require.NoError(t, Unlock(first))
	assert.NoError(t, Lock(t.Context(), second), "a lock that was given up")
}

func TestAClosedFileGivesItsLockUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	require.NoError(t, Lock(t.Context(), first))
	require.NoError(t, first.Close())
	assert.NoError(t, Lock(t.Context(), second))
}

func TestAWaiterEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	require.NoError(t, Lock(t.Context(), first))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Lock(ctx, second)
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, path)
}

func TestAClosedFileCannotBeLocked(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "lock"))
	require.NoError(t, f.Close())
	assert.ErrorContains(t, Lock(t.Context(), f), f.Name())
}

func TestWaitersExcludeEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	const workers, rounds = 8, 20
	inside, total := 0, 0
	var mu sync.Mutex // the race detector does not know file locks
	var wg sync.WaitGroup
	for range workers {
		f := open(t, path)
		wg.Go(func() {
			for range rounds {
				if !assert.NoError(t, Lock(t.Context(), f)) {
					return
				}
				mu.Lock()
				inside++
				assert.Equal(t, 1, inside, "holders of the lock")
				mu.Unlock()
				mu.Lock()
				inside--
				total++
				mu.Unlock()
				assert.NoError(t, Unlock(f))
			}
		})
	}
	wg.Wait()
	assert.Equal(t, workers*rounds, total)
}
