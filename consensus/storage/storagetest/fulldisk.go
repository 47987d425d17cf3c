package storagetest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

const (
	diskSize    = 256 << 20
	diskBallast = 96 << 20 // freed to open the storage again
)

// fillBatch returns a batch of values that do not compress.
func fillBatch(number int) []storage.Operation {
	operations := make([]storage.Operation, 4)
	for i := range operations {
		operations[i] = storage.Operation{
			Key:   append(numbered("batch", number), byte('0'+i)),
			Value: randomBytes(int64(number*10+i), 60<<10),
		}
	}
	return operations
}

// fillDisk writes until the disk below directory is full, and asserts that the storage then says so and has lost nothing.
func fillDisk(t *testing.T, engine Engine, directory string) {
	t.Helper()
	ballast, place := filepath.Join(directory, "ballast"), filepath.Join(directory, "data")
	require.NoError(t, os.WriteFile(ballast, make([]byte, diskBallast), 0o600))
	require.NoError(t, os.Mkdir(place, 0o700))
	s, err := engine.Open(place)
	require.NoError(t, err)

	answered := 0
	for ; err == nil; answered++ {
		require.Less(t, answered, diskSize/(200<<10), "the disk has no end")
		err = s.Batch(t.Context(), fillBatch(answered))
	}
	answered-- // the last one was not
	t.Logf("%d batches, then: %v", answered, err)
	assert.Greater(t, answered, 10)
	for number := range answered {
		for _, operation := range fillBatch(number) {
			value, err := s.Get(t.Context(), operation.Key)
			if errors.Is(err, storage.ErrFailed) {
				continue // a storage may give up, but must not say that something is not there
			}
			require.NoError(t, err)
			require.Equal(t, operation.Value, value, "batch %d", number)
		}
	}
	if err := s.Close(); err != nil {
		t.Logf("close: %v", err)
	}

	require.NoError(t, os.Remove(ballast))
	s = open(t, engine, place)
	for number := range answered {
		for _, operation := range fillBatch(number) {
			value, err := s.Get(t.Context(), operation.Key)
			require.NoError(t, err, "batch %d of %d that were answered", number, answered)
			require.Equal(t, operation.Value, value, "batch %d", number)
		}
	}
	missing := false
	for _, operation := range fillBatch(answered) {
		value, err := s.Get(t.Context(), operation.Key)
		if errors.Is(err, storage.ErrNotFound) {
			missing = true
			continue
		}
		require.NoError(t, err)
		require.Equal(t, operation.Value, value)
		require.False(t, missing, "what has failed is there only up to some point")
	}
	set(t, s, "after", "value")
	requireValue(t, s, "after", "value")
}
