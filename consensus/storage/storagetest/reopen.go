package storagetest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

func testReopen(t *testing.T, engine Engine) {
	t.Helper()
	place := engine.Place(t)
	for round := range 4 {
		s, err := engine.Open(place)
		require.NoError(t, err)
		for earlier := range round {
			requireValue(t, s, string(numbered("set", earlier)), "value")
			requireValue(t, s, string(numbered("batched", earlier)), string(randomBytes(int64(earlier), 3<<20)))
			requireNotFound(t, s, string(numbered("deleted", earlier)))
		}
		require.Len(t, rangeKeys(t, s), 2*round)

		set(t, s, string(numbered("set", round)), "value")
		require.NoError(t, s.Batch(t.Context(), []storage.Operation{
			{Key: numbered("batched", round), Value: randomBytes(int64(round), 3<<20)},
			{Key: numbered("deleted", round), Value: []byte("value")},
		}))
		require.NoError(t, s.Delete(t.Context(), numbered("deleted", round)))
		if engine.Volatile {
			continue // Close would forget everything: what is opened next is what a crash leaves
		}
		require.NoError(t, s.Close())
	}
}

func rangeKeys(t *testing.T, s storage.Storage) []string {
	t.Helper()
	pairs, err := s.GetRange(t.Context(), storage.Range{KeysOnly: true})
	require.NoError(t, err)
	keys := make([]string, len(pairs))
	for i, pair := range pairs {
		keys[i] = string(pair.Key)
	}
	return keys
}

// testSecondUser opens a storage that this very process has open.
func testSecondUser(t *testing.T, engine Engine) {
	t.Helper()
	place := engine.Place(t)
	first, err := engine.Open(place)
	require.NoError(t, err)
	set(t, first, "a", "one")

	_, err = engine.Open(place)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "in use", "the error says why")

	requireValue(t, first, "a", "one")
	set(t, first, "a", "two")
	require.NoError(t, first.Close())
	requireValue(t, open(t, engine, place), "a", "two")
}
