package contender

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
)

// TestARecordOfClientGosHasTheLeaseThatWasMeant is about whole seconds: what a clock's rate takes off a lease must not be
// rounded down, once by the writer and once by the reader.
func TestARecordOfClientGosHasTheLeaseThatWasMeant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := arena.New(arena.Options{Seed: 1})
		defer a.Close()
		faults := arena.Faults()
		rates := faults[slices.IndexFunc(faults, func(f arena.Fault) bool { return f.Need == arena.Rates })]
		for range 20 {
			n := a.Add()
			rates.Prepare(n)
			s := Defaults()
			s.Key = n.Name()
			lock := newClientGo(n, s, false).lock
			written := resourcelock.LeaderElectionRecord{HolderIdentity: lock.Identity(), LeaseDurationSeconds: int(n.Local(s.Lease).Seconds())}
			require.NoError(t, lock.Create(t.Context(), written))
			read, _, err := lock.Get(t.Context())
			require.NoError(t, err)
			assert.GreaterOrEqual(t, float64(read.LeaseDurationSeconds), n.Local(s.Lease).Seconds())
			assert.InDelta(t, n.Local(s.Lease).Seconds(), read.LeaseDurationSeconds, 1)
		}
	})
}

func TestAProcessOfClientGosIsNotTakenForItsPredecessor(t *testing.T) {
	a := arena.New(arena.Options{Seed: 1})
	defer a.Close()
	n := a.Add()
	before, after := newClientGo(n, Defaults(), false), newClientGo(n.Replace(), Defaults(), false)
	assert.NotEqual(t, before.lock.Identity(), after.lock.Identity())
}
