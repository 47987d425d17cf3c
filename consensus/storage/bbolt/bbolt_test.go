package bbolt_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/bbolt"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/storagetest"
)

func TestStorage(t *testing.T) {
	storagetest.Run(t, storagetest.Engine{
		Place: func(tb testing.TB) string { tb.Helper(); return tb.TempDir() },
		Open:  func(place string) (storage.Storage, error) { return bbolt.Open(place) },
	})
}

func fileSize(t *testing.T, directory string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(directory, "data.db"))
	require.NoError(t, err)
	return info.Size()
}

func fill(t *testing.T, s storage.Storage, count int, remove bool) {
	t.Helper()
	var operations []storage.Operation
	for i := range count {
		operations = append(operations, storage.Operation{Key: []byte{byte(i), 1}, Value: make([]byte, 1<<20), Delete: remove})
	}
	require.NoError(t, s.Batch(t.Context(), operations))
}

func TestAFileThatIsMostlyFreeIsMadeSmaller(t *testing.T) {
	directory := t.TempDir()
	s, err := bbolt.Open(directory)
	require.NoError(t, err)
	require.NoError(t, s.Set(t.Context(), []byte("kept"), []byte("value")))
	fill(t, s, 100, false)
	fill(t, s, 90, true)
	require.NoError(t, s.Close())
	before := fileSize(t, directory)
	require.Greater(t, before, int64(100<<20))

	s, err = bbolt.Open(directory)
	require.NoError(t, err)
	assert.Less(t, fileSize(t, directory), int64(40<<20))
	value, err := s.Get(t.Context(), []byte("kept"))
	require.NoError(t, err)
	assert.Equal(t, "value", string(value))
	pairs, err := s.GetRange(t.Context(), storage.Range{KeysOnly: true})
	require.NoError(t, err)
	assert.Len(t, pairs, 11)
	require.NoError(t, s.Close())
}

func TestFreedRoomIsUsedAgain(t *testing.T) {
	directory := t.TempDir()
	s, err := bbolt.Open(directory)
	require.NoError(t, err)
	for range 10 {
		fill(t, s, 20, false)
		fill(t, s, 20, true)
	}
	require.NoError(t, s.Close())
	assert.Less(t, fileSize(t, directory), int64(64<<20))
}

func TestACopyThatACrashHasLeftIsRemoved(t *testing.T) {
	directory := t.TempDir()
	s, err := bbolt.Open(directory)
	require.NoError(t, err)
	require.NoError(t, s.Set(t.Context(), []byte("kept"), []byte("value")))
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(filepath.Join(directory, "data.shrunk"), []byte("half a copy"), 0o600))
	s, err = bbolt.Open(directory)
	require.NoError(t, err)
	_, err = s.Get(t.Context(), []byte("kept"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	assert.NoFileExists(t, filepath.Join(directory, "data.shrunk"))
}

func TestAFileThatIsNoneOfOursIsNamed(t *testing.T) {
	directory := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(directory, "data.db"), make([]byte, 1<<20), 0o600))
	_, err := bbolt.Open(directory)
	require.ErrorContains(t, err, directory)
	info, err := os.Stat(filepath.Join(directory, "data.db"))
	require.NoError(t, err)
	assert.Equal(t, int64(1<<20), info.Size(), "it is left as it is")
}

func TestADirectoryThatCannotBeMadeIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := bbolt.Open(filepath.Join(file, "data"))
	require.ErrorContains(t, err, file)
}
