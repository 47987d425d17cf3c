package raftstore_test

import (
	"context"
	"errors"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftstore"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
)

var errDisk = errors.New("disk is broken")

// faulty fails when it is told to, and then does the operations of a batch up to some point.
type faulty struct {
	*memory.Storage
	done func(operations int) int // how many of a failing batch are done; nil if none fails
}

func (f *faulty) Batch(ctx context.Context, operations []storage.Operation) error {
	if f.done == nil {
		return f.Storage.Batch(ctx, operations)
	}
	if err := f.Storage.Batch(ctx, operations[:f.done(len(operations))]); err != nil {
		return err
	}
	return errDisk
}

func all(n int) int  { return n }
func half(n int) int { return n / 2 }
func none(int) int   { return 0 }

func TestAnAppendThatFailedLeavesNothingBehindLaterEntries(t *testing.T) {
	for _, done := range []func(int) int{none, half, all} {
		disk := &faulty{Storage: memory.New()}
		store := newStore(t, disk)
		require.NoError(t, store.StoreLogs(entries(1, 10)))
		disk.done = done
		require.ErrorIs(t, store.StoreLogs(entries(11, 20)), errDisk)
		requireLog(t, store, 1, 10)
		disk.done = nil

		// Another leader's entry takes the place of the first one; the others must not stand behind it after a restart.
		require.NoError(t, store.StoreLog(entry(11, 2)))
		requireLog(t, store, 1, 11)
		requireLog(t, newStore(t, disk.Reopen()), 1, 11)
	}
}

func TestAnAppendThatFailedIsNotSeenByAnotherOne(t *testing.T) {
	disk := &faulty{Storage: memory.New()}
	store := newStore(t, disk)
	disk.done = half
	require.ErrorIs(t, store.StoreLogs(entries(5, 20)), errDisk)
	requireLog(t, store, 0, 0)
	disk.done = nil
	require.NoError(t, store.StoreLogs(entries(1, 3)))
	requireLog(t, newStore(t, disk.Reopen()), 1, 3)
}

func TestADeletionThatFailedIsCompletedBeforeTheNextChange(t *testing.T) {
	for name, remove := range map[string][2]uint64{"head": {1, 5000}, "tail": {3000, 9000}, "all": {1, 9000}} {
		t.Run(name, func(t *testing.T) {
			for _, done := range []func(int) int{none, half, all} {
				disk := &faulty{Storage: memory.New()}
				store := newStore(t, disk)
				require.NoError(t, store.StoreLogs(entries(1, 9000)))
				disk.done = done
				require.ErrorIs(t, store.DeleteRange(remove[0], remove[1]), errDisk)
				disk.done = nil
				_, err := raftstore.New(disk)
				require.NoError(t, err, "whatever is left has no hole")

				last, err := store.LastIndex()
				require.NoError(t, err)
				require.NoError(t, store.StoreLog(entry(last+1, 2)))
				first, err := store.FirstIndex()
				require.NoError(t, err)
				requireLog(t, newStore(t, disk.Reopen()), first, last+1)
			}
		})
	}
}

// TestFailuresNeverLeaveAHoleOrAnEntryThatWasReplaced does random changes of which some fail, and opens the log anew
// after each of them.
func TestFailuresNeverLeaveAHoleOrAnEntryThatWasReplaced(t *testing.T) {
	for seed := range int64(200) {
		random := rand.New(rand.NewSource(seed))
		disk := &faulty{Storage: memory.New()}
		store := newStore(t, disk)
		for term := uint64(1); term < 40; term++ {
			disk.done = nil
			if random.Intn(3) == 0 {
				disk.done = func(n int) int { return random.Intn(n + 1) }
			}
			first, _ := store.FirstIndex()
			last, _ := store.LastIndex()
			size := last - first + 1
			switch random.Intn(6) {
			case 0:
				_ = store.DeleteRange(first, first+uint64(random.Int63n(int64(size))))
			case 1:
				_ = store.DeleteRange(first+uint64(random.Int63n(int64(size))), last)
			case 2:
				_ = store.StoreLog(entry(last+1+uint64(random.Intn(30)), term))
			default:
				count := uint64(1 + random.Intn(40))
				logs := entries(last+1, last+count)
				for _, log := range logs {
					log.Term = term
				}
				_ = store.StoreLogs(logs)
			}
			disk.done = nil
			reopened, err := raftstore.New(disk)
			require.NoError(t, err, "seed %d", seed)
			first, _ = store.FirstIndex()
			last, _ = store.LastIndex()
			storedFirst, _ := reopened.FirstIndex()
			storedLast, _ := reopened.LastIndex()
			if last != 0 {
				require.LessOrEqual(t, storedFirst, first, "seed %d", seed)
				require.GreaterOrEqual(t, storedLast, last, "seed %d", seed)
			}
			if random.Intn(4) == 0 { // a change that works makes what is stored what is meant
				require.NoError(t, store.StoreLog(entry(last+1, term)))
				reopened = newStore(t, disk)
				first, _ = store.FirstIndex()
				requireLog(t, reopened, first, last+1)
				require.NoError(t, reopened.Check(t.Context(), listed(first-1)), "seed %d", seed)
			}
		}
	}
}
