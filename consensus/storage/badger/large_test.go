package badger

import (
	"bytes"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

func openAt(t *testing.T, directory string) *Storage {
	t.Helper()
	s, err := Open(directory)
	require.NoError(t, err)
	return s
}

func valueOfSize(size int) []byte {
	value := make([]byte, size)
	_, _ = rand.New(rand.NewSource(int64(size))).Read(value)
	return value
}

// pieces returns how many pieces of large values there are.
func pieces(t *testing.T, s *Storage) int {
	t.Helper()
	count := 0
	require.NoError(t, s.db.View(func(txn *badger.Txn) error {
		iterator := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{spacePieces}})
		defer iterator.Close()
		for iterator.Rewind(); iterator.Valid(); iterator.Next() {
			count++
		}
		return nil
	}))
	return count
}

func requireSize(t *testing.T, s *Storage, key string, size int) {
	t.Helper()
	value, err := s.Get(t.Context(), []byte(key))
	require.NoError(t, err)
	require.True(t, bytes.Equal(valueOfSize(size), value))
	pairs, err := s.GetRange(t.Context(), storage.Range{Start: []byte(key), Limit: 1})
	require.NoError(t, err)
	require.True(t, bytes.Equal(valueOfSize(size), pairs[0].Value))
}

func TestLargeValuesAreReplacedAndDeletedWithAllTheirPieces(t *testing.T) {
	directory := t.TempDir()
	s := openAt(t, directory)
	sizes := []int{pieceSize, pieceSize + 1, 3 * pieceSize, 10, 5*pieceSize + 7, 2 * pieceSize}
	wanted := []int{0, 2, 3, 0, 6, 2}
	for i, size := range sizes {
		require.NoError(t, s.Set(t.Context(), []byte("key"), valueOfSize(size)))
		requireSize(t, s, "key", size)
		require.Equal(t, wanted[i], pieces(t, s))
		require.NoError(t, s.Close())
		s = openAt(t, directory)
		requireSize(t, s, "key", size)
		require.Equal(t, wanted[i], pieces(t, s))
	}
	require.NoError(t, s.Batch(t.Context(), []storage.Operation{
		{Key: []byte("key"), Value: valueOfSize(3 * pieceSize)},
		{Key: []byte("other"), Value: valueOfSize(2 * pieceSize)},
		{Key: []byte("key"), Delete: true},
		{Key: []byte("key"), Value: valueOfSize(4 * pieceSize)},
	}))
	requireSize(t, s, "key", 4*pieceSize)
	requireSize(t, s, "other", 2*pieceSize)
	require.Equal(t, 6, pieces(t, s))
	require.NoError(t, s.Batch(t.Context(), []storage.Operation{{Key: []byte("key"), Delete: true}, {Key: []byte("other"), Delete: true}}))
	require.Zero(t, pieces(t, s))
	require.NoError(t, s.Close())
}

func TestPiecesThatACrashHasLeftAreRemoved(t *testing.T) {
	directory := t.TempDir()
	s := openAt(t, directory)
	require.NoError(t, s.Set(t.Context(), []byte("kept"), valueOfSize(2*pieceSize)))
	// The process dies when the pieces of a value are written and its head is not.
	for _, key := range []string{"new", "kept"} {
		_, err := s.large.writePieces(s.db, storage.Operation{Key: []byte(key), Value: valueOfSize(3 * pieceSize)})
		require.NoError(t, err)
	}
	require.Equal(t, 8, pieces(t, s))
	require.NoError(t, s.Close())

	s = openAt(t, directory)
	require.Equal(t, 2, pieces(t, s))
	requireSize(t, s, "kept", 2*pieceSize)
	_, err := s.Get(t.Context(), []byte("new"))
	require.ErrorIs(t, err, storage.ErrNotFound)
	require.NoError(t, s.Set(t.Context(), []byte("new"), valueOfSize(3*pieceSize)))
	requireSize(t, s, "kept", 2*pieceSize)
	require.NoError(t, s.Close())
}

// TestNothingIsInTheValueLog looks at the files of the log whose failed syncs the engine does not report.
func TestNothingIsInTheValueLog(t *testing.T) {
	directory := t.TempDir()
	for range 5 {
		s := openAt(t, directory)
		for _, size := range []int{10, pieceSize - 1, pieceSize, pieceSize + 1, 20 << 20} {
			require.NoError(t, s.Set(t.Context(), []byte("key"), valueOfSize(size)))
		}
		require.NoError(t, s.Close())
	}
	files, err := filepath.Glob(filepath.Join(directory, "*.vlog"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(files), 2)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Empty(t, bytes.Trim(content[20:], "\x00"), "%s has more than its header", file)
	}
}

func TestTheEngineSyncs(t *testing.T) {
	s := openAt(t, t.TempDir())
	require.True(t, s.db.Opts().SyncWrites)
	require.NoError(t, s.Close())
}

func TestAWriteThatMayNotFitOnTheDiskIsNotBegun(t *testing.T) {
	directory := t.TempDir()
	free, known, err := freeSpace(directory)
	require.NoError(t, err)
	if !known {
		t.Skip("this system does not say how much of a disk is free")
	}
	require.Positive(t, free)
	require.NoError(t, checkSpace(directory, nil))
	require.ErrorIs(t, checkSpaceOf(directory, Reserve-1, 0), ErrDiskFull)
	require.ErrorIs(t, checkSpaceOf(directory, Reserve+100, 51), ErrDiskFull)
	require.NoError(t, checkSpaceOf(directory, Reserve+100, 50))
	require.ErrorContains(t, checkSpaceOf(directory, 5<<20, 0), "5 MiB are free")
}
