package s3lect

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestADirectoryStoreForgetsWhatWasDeleted(t *testing.T) {
	store, err := NewMockStorage(t.TempDir())
	require.NoError(t, err)
	for i := range 50 {
		key := "rounds/billing/" + strconv.Itoa(i)
		require.NoError(t, store.PutIfMatch(t.Context(), key, []byte("x"), ""))
		require.NoError(t, store.Delete(t.Context(), key))
	}
	assert.Empty(t, store.written, "a server of rounds writes a new key for every round, as long as it runs")
}
