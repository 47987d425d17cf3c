package sim

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// manyEntries are as many as a node may miss that was away for a while.
const manyEntries = 100_000

// TestNodeThatMissedManyEntriesCatchesUpFromTheLog: the others still have all entries.
func TestNodeThatMissedManyEntriesCatchesUpFromTheLog(t *testing.T) {
	restores, took := catchUp(t, Cluster{Voters: 3, Threshold: 10 * manyEntries, Trailing: 10 * manyEntries, SnapshotEvery: 200 * time.Millisecond})
	require.Zero(t, restores)
	t.Logf("%d entries from the log in %v of fake time", manyEntries, took)
}

// TestNodeThatMissedManyEntriesCatchesUpFromASnapshot: the others have shortened their logs meanwhile.
func TestNodeThatMissedManyEntriesCatchesUpFromASnapshot(t *testing.T) {
	restores, took := catchUp(t, Cluster{Voters: 3, Threshold: manyEntries / 10, Trailing: 100, SnapshotEvery: 200 * time.Millisecond})
	require.NotZero(t, restores)
	t.Logf("%d entries, most of them from a snapshot, in %v of fake time", manyEntries, took)
}

// catchUp has one of three nodes miss many entries, and returns how many snapshots have been restored until all machines
// were equal, and after what time that was.
func catchUp(t *testing.T, c Cluster) (restores int, took time.Duration) {
	t.Helper()
	if testing.Short() {
		t.Skip("applies many entries")
	}
	c.Election = 300 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(Options{Seed: 1, Weather: fair("calm"), Cluster: &c})
		defer w.end()
		leader := w.awaitLeader(t)
		away := w.member("n1")
		if leader.member == away {
			away = w.member("n2")
		}
		away.crash()
		w.applyMany(t, leader, manyEntries)
		before := w.restores.Load()
		began := time.Now()
		require.NoError(t, away.start())
		require.Eventually(t, func() bool { return w.difference() == nil }, time.Minute, 10*time.Millisecond, "%v", w.difference())
		restores, took = int(w.restores.Load()-before), time.Since(began)
		require.False(t, w.monitor.failed(), "%v", w.monitor.violations)
	})
	return restores, took
}

func (w *world) awaitLeader(t *testing.T) *process {
	t.Helper()
	for range 1000 {
		if p := w.leader(); p != nil {
			return p
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.Fail(t, "nobody leads", "%v", w.monitor.violations)
	return nil
}

// applyMany has several clients apply entries at once.
func (w *world) applyMany(t *testing.T, leader *process, entries int) {
	t.Helper()
	const clients = 1000
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for i := range entries / clients {
				number := client*entries/clients + i + 1
				command := label{number: number}.on(kv.Set(fmt.Sprint("key ", number%500), fmt.Sprint(number)))
				if err := leader.node.Apply(context.Background(), command); err != nil {
					t.Errorf("entry %d: %v", number, err)
					return
				}
			}
		})
	}
	all.Wait()
	require.False(t, t.Failed())
}
