package storagetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

func testBatchOrder(t *testing.T, s storage.Storage) {
	t.Helper()
	set(t, s, "old", "value")
	require.NoError(t, s.Batch(t.Context(), []storage.Operation{
		{Key: []byte("a"), Value: []byte("1")},
		{Key: []byte("a"), Value: []byte("2")},
		{Key: []byte("b"), Value: []byte("1")},
		{Key: []byte("b"), Delete: true},
		{Key: []byte("c"), Delete: true},
		{Key: []byte("c"), Value: []byte("1")},
		{Key: []byte("old"), Value: []byte("ignored"), Delete: true},
		{Key: []byte("d"), Value: []byte("1")},
		{Key: []byte("d"), Delete: true},
		{Key: []byte("d"), Value: []byte("2")},
	}))
	requireValue(t, s, "a", "2")
	requireNotFound(t, s, "b")
	requireValue(t, s, "c", "1")
	requireNotFound(t, s, "old")
	requireValue(t, s, "d", "2")
}

func testBatchRefused(t *testing.T, s storage.Storage) {
	t.Helper()
	require.ErrorIs(t, s.Batch(t.Context(), []storage.Operation{
		{Key: []byte("a"), Value: []byte("1")},
		{Key: nil, Value: []byte("2")},
	}), storage.ErrNotAllowed)
	requireNotFound(t, s, "a")
}

func testBatchEmpty(t *testing.T, s storage.Storage) {
	t.Helper()
	require.NoError(t, s.Batch(t.Context(), nil))
	require.NoError(t, s.Batch(t.Context(), []storage.Operation{}))
}

// testBatchLarge writes more than any engine takes in one transaction: many small values, and few large ones.
func testBatchLarge(t *testing.T, s storage.Storage) {
	t.Helper()
	const small, large = 100_000, 32
	operations := make([]storage.Operation, 0, small+large)
	for i := range small {
		operations = append(operations, storage.Operation{Key: numbered("small", i), Value: numbered("value", i)})
	}
	for i := range large {
		operations = append(operations, storage.Operation{Key: numbered("large", i), Value: randomBytes(int64(i), 1<<20)})
	}
	require.NoError(t, s.Batch(t.Context(), operations))

	pairs, err := s.GetRange(t.Context(), storage.Range{KeysOnly: true})
	require.NoError(t, err)
	require.Len(t, pairs, small+large)
	for i := 0; i < len(operations); i += 997 {
		got, err := s.Get(t.Context(), operations[i].Key)
		require.NoError(t, err)
		require.Equal(t, operations[i].Value, got)
	}
	for i := range operations {
		operations[i].Delete = true
	}
	require.NoError(t, s.Batch(t.Context(), operations))
	pairs, err = s.GetRange(t.Context(), storage.Range{})
	require.NoError(t, err)
	require.Empty(t, pairs)
}

func numbered(name string, i int) []byte { return fmt.Appendf(nil, "%s-%09d", name, i) }
