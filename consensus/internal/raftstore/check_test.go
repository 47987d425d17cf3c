package raftstore_test

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// listed is a raft.SnapshotStore with one snapshot that ends at an index, or none if that is 0.
type listed uint64

func (l listed) List() ([]*raft.SnapshotMeta, error) {
	if l == 0 {
		return nil, nil
	}
	return []*raft.SnapshotMeta{{Index: uint64(l)}}, nil
}

func keyOf(index uint64) []byte { return binary.BigEndian.AppendUint64([]byte{'l'}, index) }

func TestAMissingEntryIsNamedWhenTheLogIsOpened(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		s := p.storage(t)
		require.NoError(t, newStore(t, s).StoreLogs(entries(1, 9000)))
		require.NoError(t, s.Delete(t.Context(), keyOf(4711)))

		_, err := raftstore.New(s)
		requireCorrupt(t, err, 4711)
		pairs, err := s.GetRange(t.Context(), storage.Range{KeysOnly: true})
		require.NoError(t, err)
		assert.Len(t, pairs, 8999, "nothing has been changed")
	})
}

func TestADamagedEntryIsNamedAndStays(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		s := p.storage(t)
		store := newStore(t, s)
		require.NoError(t, store.StoreLogs(entries(1, 20)))
		intact, err := s.Get(t.Context(), keyOf(7))
		require.NoError(t, err)
		for at := range intact {
			damaged := append([]byte(nil), intact...)
			damaged[at] ^= 1
			require.NoError(t, s.Set(t.Context(), keyOf(7), damaged))
			requireCorrupt(t, store.GetLog(7, new(raft.Log)), 7)
			requireCorrupt(t, store.Check(t.Context(), listed(0)), 7)
			stored, err := s.Get(t.Context(), keyOf(7))
			require.NoError(t, err)
			require.Equal(t, damaged, stored)
		}
		for length := range intact {
			require.NoError(t, s.Set(t.Context(), keyOf(7), intact[:length]))
			requireCorrupt(t, store.GetLog(7, new(raft.Log)), 7)
		}
		require.NoError(t, s.Set(t.Context(), keyOf(7), intact))
		require.NoError(t, store.Check(t.Context(), listed(0)))
	})
}

func TestAnEntryInAnotherOnesPlaceIsNoticed(t *testing.T) {
	s := newPlace(t, "memory").storage(t)
	store := newStore(t, s)
	require.NoError(t, store.StoreLogs(entries(1, 20)))
	other, err := s.Get(t.Context(), keyOf(8))
	require.NoError(t, err)
	require.NoError(t, s.Set(t.Context(), keyOf(7), other))
	requireCorrupt(t, store.GetLog(7, new(raft.Log)), 7)
}

func TestAnEntryThatDisappearsLaterIsNamed(t *testing.T) {
	s := newPlace(t, "memory").storage(t)
	store := newStore(t, s)
	require.NoError(t, store.StoreLogs(entries(1, 20)))
	require.NoError(t, s.Delete(t.Context(), keyOf(7)))
	requireCorrupt(t, store.GetLog(7, new(raft.Log)), 7)
}

func TestALogThatDoesNotGoOnWhereTheSnapshotEndsIsRefused(t *testing.T) {
	store := newStore(t, newPlace(t, "memory").storage(t))
	require.NoError(t, store.StoreLogs(entries(101, 120)))
	requireCorrupt(t, store.Check(t.Context(), listed(0)), 1)
	requireCorrupt(t, store.Check(t.Context(), listed(99)), 100)
	for _, covered := range []listed{100, 110, 120, 1000} {
		require.NoError(t, store.Check(t.Context(), covered))
	}
}

func TestTermsThatFallAreRefused(t *testing.T) {
	store := newStore(t, newPlace(t, "memory").storage(t))
	require.NoError(t, store.StoreLogs([]*raft.Log{entry(1, 1), entry(2, 3), entry(3, 2)}))
	requireCorrupt(t, store.Check(t.Context(), listed(0)), 3)
}

func TestACheckEndsWithItsContext(t *testing.T) {
	store := newStore(t, newPlace(t, "memory").storage(t))
	require.NoError(t, store.StoreLogs(entries(1, 10)))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, store.Check(ended, listed(0)), context.Canceled)
}

func TestADamagedStableValueIsNamed(t *testing.T) {
	s := newPlace(t, "memory").storage(t)
	store := newStore(t, s)
	require.NoError(t, store.SetUint64([]byte("CurrentTerm"), 7))
	sealed, err := s.Get(t.Context(), []byte("kCurrentTerm"))
	require.NoError(t, err)
	sealed[len(sealed)-1]++
	require.NoError(t, s.Set(t.Context(), []byte("kCurrentTerm"), sealed))
	_, err = store.GetUint64([]byte("CurrentTerm"))
	requireCorrupt(t, err, 0)
	assert.ErrorContains(t, err, "CurrentTerm")

	require.NoError(t, store.SetUint64([]byte("other"), 7))
	sealed, err = s.Get(t.Context(), []byte("kother"))
	require.NoError(t, err)
	require.NoError(t, s.Set(t.Context(), []byte("kCurrentTerm"), sealed))
	_, err = store.GetUint64([]byte("CurrentTerm"))
	requireCorrupt(t, err, 0)
}

func requireCorrupt(t *testing.T, err error, index uint64) {
	t.Helper()
	var corrupt *raftstore.CorruptError
	require.ErrorAs(t, err, &corrupt)
	require.Equal(t, index, corrupt.Index)
}
