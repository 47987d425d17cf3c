package bbolt_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/bbolt"
)

// TestADamagedPageIsAnErrorAndNotAPanic writes nonsense over all pages behind the first ones, which say where the others are.
func TestADamagedPageIsAnErrorAndNotAPanic(t *testing.T) {
	directory := t.TempDir()
	s, err := bbolt.Open(directory)
	require.NoError(t, err)
	for i := range 200 {
		require.NoError(t, s.Set(t.Context(), []byte{byte(i)}, make([]byte, 2000)))
	}
	require.NoError(t, s.Close())
	path := filepath.Join(directory, "data.db")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 2 * os.Getpagesize(); i < len(content); i++ {
		content[i] = byte(i * 7)
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))

	s, err = bbolt.Open(directory)
	if err == nil {
		_, err = s.GetRange(t.Context(), storage.Range{})
		assert.ErrorIs(t, err, storage.ErrFailed)
		assert.ErrorIs(t, s.Set(t.Context(), []byte("key"), nil), storage.ErrFailed)
		_ = s.Close()
	}
	require.ErrorContains(t, err, "damaged")
	assert.ErrorContains(t, err, "data.db")
}
