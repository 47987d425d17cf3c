package raftstore_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
)

func entry(index, term uint64) *raft.Log {
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: fmt.Appendf(nil, "entry %d of term %d", index, term)}
}

// requireLog asserts that a log has exactly the entries from first to last, or none at all if last is 0.
func requireLog(t *testing.T, store *raftstore.Store, first, last uint64) {
	t.Helper()
	gotFirst, err := store.FirstIndex()
	require.NoError(t, err)
	gotLast, err := store.LastIndex()
	require.NoError(t, err)
	require.Equal(t, [2]uint64{first, last}, [2]uint64{gotFirst, gotLast}, "first and last index")
	var got raft.Log
	if last != 0 {
		for index := first; index <= last; index++ {
			require.NoError(t, store.GetLog(index, &got))
			require.Equal(t, index, got.Index)
		}
	}
	for _, outside := range []uint64{0, first - 1, last + 1, last + 1000} {
		if outside < first || outside > last {
			require.Equal(t, raft.ErrLogNotFound, store.GetLog(outside, &got), "entry %d", outside)
		}
	}
}

func TestAnEmptyLogHasNoEntries(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		store := newStore(t, p.storage(t))
		requireLog(t, store, 0, 0)
		require.NoError(t, store.DeleteRange(0, 0))
		require.NoError(t, store.DeleteRange(1, 100))
		require.NoError(t, store.StoreLogs(nil))
		requireLog(t, store, 0, 0)
	})
}

func TestEntriesAreReadAsTheyWereStored(t *testing.T) {
	now := time.Now()
	logs := []*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogNoop},
		{Index: 2, Term: 1, Type: raft.LogCommand, Data: []byte("data"), AppendedAt: now},
		{Index: 3, Term: 2, Type: raft.LogConfiguration, Data: []byte{0, 255}, Extensions: []byte("extensions"), AppendedAt: time.Unix(0, 0)},
		{Index: 4, Term: math.MaxUint64, Type: raft.LogBarrier, Extensions: []byte("only"), AppendedAt: now.Add(-1000 * time.Hour)},
		{Index: 5, Term: math.MaxUint64, Type: raft.LogCommand, Data: bytes.Repeat([]byte("large"), 1<<20)},
	}
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		s := p.storage(t)
		require.NoError(t, newStore(t, s).StoreLogs(logs))
		store := newStore(t, p.reopen(t, s))
		for _, want := range logs {
			var got raft.Log
			require.NoError(t, store.GetLog(want.Index, &got))
			assert.True(t, want.AppendedAt.Equal(got.AppendedAt), "%v is not %v", got.AppendedAt, want.AppendedAt)
			got.AppendedAt = want.AppendedAt
			assert.Equal(t, *want, got)
		}
	})
}

func TestALogIsShortenedAtBothEnds(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		t.Parallel()
		s := p.storage(t)
		store := newStore(t, s)
		check := func(first, last uint64) {
			t.Helper()
			requireLog(t, store, first, last)
			s = p.reopen(t, s)
			store = newStore(t, s)
			requireLog(t, store, first, last)
		}
		require.NoError(t, store.StoreLogs(entries(1, 6000)))
		check(1, 6000)
		require.NoError(t, store.DeleteRange(1, 2500))
		check(2501, 6000)
		require.NoError(t, store.DeleteRange(3000, 6000))
		check(2501, 2999)
		require.NoError(t, store.DeleteRange(1, 2501))
		check(2502, 2999)
		require.NoError(t, store.DeleteRange(2999, 5000))
		check(2502, 2998)
		require.NoError(t, store.DeleteRange(1, 2000))
		require.NoError(t, store.DeleteRange(4000, 5000))
		require.NoError(t, store.DeleteRange(2900, 2800))
		check(2502, 2998)
		require.NoError(t, store.StoreLogs(entries(2999, 3010)))
		check(2502, 3010)
		require.NoError(t, store.DeleteRange(1, 9999))
		check(0, 0)
		require.NoError(t, store.StoreLog(entry(1, 3)))
		check(1, 1)
	})
}

func TestNoHoleIsMade(t *testing.T) {
	store := newStore(t, newPlace(t, "memory").storage(t))
	require.NoError(t, store.StoreLogs(entries(1, 10)))
	assert.ErrorContains(t, store.DeleteRange(4, 6), "hole")
	assert.ErrorContains(t, store.StoreLogs([]*raft.Log{entry(11, 1), entry(13, 1)}), "does not follow")
	assert.ErrorContains(t, store.StoreLog(entry(0, 1)), "does not follow")
	requireLog(t, store, 1, 10)
}

func TestEntriesThatAreThereAreReplaced(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		s := p.storage(t)
		store := newStore(t, s)
		require.NoError(t, store.StoreLogs(entries(3, 100)))
		require.NoError(t, store.StoreLog(entry(50, 2)))
		requireLog(t, store, 3, 50)
		require.NoError(t, store.StoreLog(entry(3, 3)))
		requireLog(t, store, 3, 3)
		require.NoError(t, store.StoreLogs([]*raft.Log{entry(1, 4), entry(2, 4)}))
		requireLog(t, newStore(t, p.reopen(t, s)), 1, 2)
	})
}

func TestAJumpStandsForASnapshotAndLeavesNoHole(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		s := p.storage(t)
		store := newStore(t, s)
		require.NoError(t, store.StoreLogs(entries(1, 3000)))
		require.NoError(t, store.StoreLogs(entries(100_001, 100_010)))
		requireLog(t, store, 100_001, 100_010)
		s = p.reopen(t, s)
		requireLog(t, newStore(t, s), 100_001, 100_010)
	})
}

func TestAnEmptyLogMayBeginFarAway(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		s := p.storage(t)
		const far = math.MaxUint64 - 1000
		require.NoError(t, newStore(t, s).StoreLogs(entries(far, far+10)))
		requireLog(t, newStore(t, p.reopen(t, s)), far, far+10)
	})
}

func TestABatchMayBeLarge(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		var logs []*raft.Log
		for index := range uint64(64) {
			logs = append(logs, &raft.Log{Index: index + 1, Term: 1, Data: bytes.Repeat([]byte{byte(index)}, 512<<10)})
		}
		logs = append(logs, &raft.Log{Index: 65, Term: 1, Data: bytes.Repeat([]byte("x"), 32<<20)})
		s := p.storage(t)
		require.NoError(t, newStore(t, s).StoreLogs(logs))
		store := newStore(t, p.reopen(t, s))
		for _, want := range logs {
			var got raft.Log
			require.NoError(t, store.GetLog(want.Index, &got))
			require.True(t, bytes.Equal(want.Data, got.Data))
		}
		require.NoError(t, store.DeleteRange(1, 65))
		requireLog(t, store, 0, 0)
	})
}
