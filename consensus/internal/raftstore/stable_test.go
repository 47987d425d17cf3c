package raftstore_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAStableValueThatWasNeverSetHasTheErrorTheEngineKnows(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		store := newStore(t, p.storage(t))
		_, err := store.Get([]byte("CurrentTerm"))
		assert.EqualError(t, err, "not found")
		_, err = store.GetUint64([]byte("CurrentTerm"))
		assert.EqualError(t, err, "not found")
	})
}

func TestStableValuesAreKept(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		s := p.storage(t)
		store := newStore(t, s)
		require.NoError(t, store.SetUint64([]byte("CurrentTerm"), 7))
		require.NoError(t, store.SetUint64([]byte("CurrentTerm"), 1<<63+8))
		require.NoError(t, store.Set([]byte("LastVoteCand"), []byte("node")))
		require.NoError(t, store.Set([]byte("empty"), nil))

		store = newStore(t, p.reopen(t, s))
		term, err := store.GetUint64([]byte("CurrentTerm"))
		require.NoError(t, err)
		assert.Equal(t, uint64(1<<63+8), term)
		candidate, err := store.Get([]byte("LastVoteCand"))
		require.NoError(t, err)
		assert.Equal(t, "node", string(candidate))
		empty, err := store.Get([]byte("empty"))
		require.NoError(t, err)
		assert.Empty(t, empty)
		_, err = store.GetUint64([]byte("LastVoteCand"))
		assert.ErrorContains(t, err, "LastVoteCand")
		requireLog(t, store, 0, 0)
	})
}
