package storagetest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

func set(t *testing.T, s storage.Storage, key, value string) {
	t.Helper()
	require.NoError(t, s.Set(t.Context(), []byte(key), []byte(value)))
}

func requireValue(t *testing.T, s storage.Storage, key, value string) {
	t.Helper()
	got, err := s.Get(t.Context(), []byte(key))
	require.NoError(t, err)
	require.Equal(t, value, string(got))
}

func requireNotFound(t *testing.T, s storage.Storage, key string) {
	t.Helper()
	_, err := s.Get(t.Context(), []byte(key))
	require.ErrorIs(t, err, storage.ErrNotFound)
}

func testSet(t *testing.T, s storage.Storage) {
	t.Helper()
	requireNotFound(t, s, "a")
	set(t, s, "a", "one")
	requireValue(t, s, "a", "one")
	set(t, s, "a", "two")
	requireValue(t, s, "a", "two")
	set(t, s, "a", "")
	requireValue(t, s, "a", "")
	require.NoError(t, s.Set(t.Context(), []byte("nil"), nil))
	requireValue(t, s, "nil", "")
}

func testDelete(t *testing.T, s storage.Storage) {
	t.Helper()
	require.NoError(t, s.Delete(t.Context(), []byte("a")), "a key that is not there")
	set(t, s, "a", "one")
	require.NoError(t, s.Delete(t.Context(), []byte("a")))
	requireNotFound(t, s, "a")
	set(t, s, "a", "again")
	requireValue(t, s, "a", "again")
}

func testSlicesIn(t *testing.T, s storage.Storage) {
	t.Helper()
	key, value := []byte("key"), []byte("value")
	require.NoError(t, s.Set(t.Context(), key, value))
	operation := storage.Operation{Key: []byte("batched"), Value: []byte("other")}
	require.NoError(t, s.Batch(t.Context(), []storage.Operation{operation}))
	for _, slice := range [][]byte{key, value, operation.Key, operation.Value} {
		clear(slice)
	}
	requireValue(t, s, "key", "value")
	requireValue(t, s, "batched", "other")
}

func testSlicesOut(t *testing.T, s storage.Storage) {
	t.Helper()
	set(t, s, "key", "value")
	got, err := s.Get(t.Context(), []byte("key"))
	require.NoError(t, err)
	clear(got)
	pairs, err := s.GetRange(t.Context(), storage.Range{})
	require.NoError(t, err)
	require.Len(t, pairs, 1)
	clear(pairs[0].Key)
	clear(pairs[0].Value)
	requireValue(t, s, "key", "value")
}

func testBinaryKeys(t *testing.T, s storage.Storage) {
	t.Helper()
	var operations []storage.Operation
	for b := range 256 {
		operations = append(operations, storage.Operation{Key: []byte{byte(b)}, Value: []byte{byte(b), 0, 255}})
	}
	operations = append(operations, storage.Operation{Key: []byte{0, 0}, Value: []byte("zeros")})
	require.NoError(t, s.Batch(t.Context(), operations))
	for _, operation := range operations {
		got, err := s.Get(t.Context(), operation.Key)
		require.NoError(t, err, "key %x", operation.Key)
		require.Equal(t, operation.Value, got, "key %x", operation.Key)
	}
}

func testLimits(t *testing.T, s storage.Storage) {
	t.Helper()
	longest := strings.Repeat("k", storage.MaxKey)
	set(t, s, longest, "value")
	requireValue(t, s, longest, "value")

	for _, key := range []string{"", longest + "k"} {
		assert.ErrorIs(t, s.Set(t.Context(), []byte(key), []byte("v")), storage.ErrNotAllowed)
		assert.ErrorIs(t, s.Delete(t.Context(), []byte(key)), storage.ErrNotAllowed)
		_, err := s.Get(t.Context(), []byte(key))
		assert.ErrorIs(t, err, storage.ErrNotAllowed)
	}
	assert.ErrorIs(t, s.Set(t.Context(), []byte("k"), make([]byte, storage.MaxValue+1)), storage.ErrNotAllowed)
	requireNotFound(t, s, "k")
}

func testLargestValue(t *testing.T, s storage.Storage) {
	t.Helper()
	value := randomBytes(1, storage.MaxValue)
	require.NoError(t, s.Set(t.Context(), []byte("large"), value))
	got, err := s.Get(t.Context(), []byte("large"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(value, got), "the value is another one")
	require.NoError(t, s.Delete(t.Context(), []byte("large")))
	requireNotFound(t, s, "large")
}

// randomBytes returns bytes that do not compress, the same ones for the same seed.
func randomBytes(seed int64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(seed))
	_, _ = rand.NewChaCha8(key).Read(b) // fast, with the race detector too
	return b
}
