package election

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFleetsOfAnySizeHaveOneLeader(t *testing.T) {
	for _, voters := range []int{1, 2, 3, 4, 5} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, voters, 0)
			f.start()
			leader := f.oneLeader(10 * testTimeout)
			f.quiet(20*testTimeout, leader)
			for id, m := range f.runs {
				known, found := m.Leader()
				assert.True(t, found, "%s knows of no leader", id)
				assert.Equal(t, leader, known.ID)
				assert.Equal(t, f.runs[leader].Term(), m.Term())
			}
			f.stop()
		})
	}
}

func TestLeaderThatIsCutOffIsReplacedAndNeverLeadsBesideTheNewOne(t *testing.T) {
	for _, voters := range []int{3, 4, 5} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, voters, 1)
			f.start()
			defer f.stop()
			for range 10 {
				first := f.oneLeader(10 * testTimeout)
				term := f.runs[first].Term()
				f.isolate(first)
				second := f.oneLeader(15*testTimeout, f.others(first)...)
				assert.Greater(t, f.runs[second].Term(), term)
				f.network.HealAll()
				f.quiet(10*testTimeout, second)
			}
		})
	}
}

func TestFollowerThatIsCutOffDisturbsNobodyWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		f.start()
		defer f.stop()
		leader := f.oneLeader(10 * testTimeout)
		away := f.others(leader)[0]
		before := len(f.journal.of(leader))
		term := f.runs[leader].Term()
		f.isolate(away)
		f.quiet(30*testTimeout, leader)
		f.network.HealAll()
		f.quiet(30*testTimeout, leader)
		assert.Equal(t, term, f.runs[leader].Term(), "the term has changed")
		assert.Len(t, f.journal.of(leader), before, "callbacks of the leader were called")
		assert.Equal(t, StateFollower, f.runs[away].CurrentState())
	})
}

func TestLeaderWithoutAMajorityCeasesWithinItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 4, 2) // two voters and two watchers are left to it
		f.start()
		defer f.stop()
		leader := f.oneLeader(10 * testTimeout)
		f.pass(5 * testTimeout)
		for _, away := range f.others(leader)[:2] {
			f.isolate(away)
		}
		f.pass(f.runs[leader].Timing().Lease)
		assert.Empty(t, f.leaders(), "a leader that reaches half of the voters still leads")
		f.pass(20 * testTimeout)
		assert.Empty(t, f.leaders())
		f.network.HealAll()
		f.oneLeader(15 * testTimeout)
	})
}

func TestStopHandsLeadershipOnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 1)
		f.start()
		defer f.stop()
		leader := f.oneLeader(10 * testTimeout)
		f.pass(5 * testTimeout)
		began := time.Now()
		f.stop(leader)
		f.oneLeader(testTimeout)
		assert.Less(t, time.Since(began), testTimeout/2, "faster than any node would have noticed")
	})
}

func TestWatchersNeverLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, 3)
		f.start()
		defer f.stop()
		require.Equal(t, "a", f.oneLeader(10*testTimeout))
		f.stop("a")
		f.pass(50 * testTimeout)
		assert.Empty(t, f.leaders())
		for _, id := range []string{"w1", "w2", "w3"} {
			assert.Equal(t, []string{"EnterFollower"}, f.journal.names(id))
			_, found := f.runs[id].Leader()
			assert.False(t, found)
		}
		f.run(f.config("a"))
		require.Equal(t, "a", f.oneLeader(10*testTimeout))
		f.pass(testTimeout)
		known, _ := f.runs["w2"].Leader()
		assert.Equal(t, "a", known.ID)
	})
}
