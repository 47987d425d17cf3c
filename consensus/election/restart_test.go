package election

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keepVotes has all runs of a node use the same file.
func (f *fleet) keepVotes() {
	directory := f.t.TempDir()
	f.adjust = func(c *Config) { c.VotesFile = filepath.Join(directory, c.Node.ID) }
}

// A leader counts on voters that have answered it. One of them is restarted, while the leader is cut off, beside a node that
// has long been wanting to lead.
func TestVoterThatWasRestartedKeepsItsPromiseToTheLeader(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, 3, 0)
			f.keepVotes()
			f.start()
			defer f.stop()
			leader := f.oneLeader(10 * testTimeout)
			others := f.others(leader)
			f.network.Cut(leader, others[0])
			f.network.Cut(others[0], leader)
			f.quiet(5*testTimeout, leader)
			f.stop(others[1])
			f.isolate(leader)
			f.run(f.config(others[1]))
			f.oneLeader(20*testTimeout, others...) // looks for two leaders every millisecond
		})
	}
}

func TestVoterThatWasRestartedKeepsAPromiseLongerThanItsTimeoutNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, 0)
		f.keepVotes()
		slow := f.config("a")
		slow.ElectionTimeout = 10 * testTimeout
		f.run(slow)
		f.oneLeader(100 * testTimeout)
		f.stop()

		began := time.Now()
		f.run(f.config("a"))
		f.oneLeader(100 * testTimeout)
		assert.GreaterOrEqual(t, time.Since(began), 10*testTimeout, "it led before the promise of its former time-out was over")
		f.pass(2 * testTimeout)
		f.stop()

		began = time.Now()
		f.run(f.config("a"))
		f.oneLeader(10 * testTimeout)
		assert.Less(t, time.Since(began), 10*testTimeout, "the promise is still remembered")
		f.stop()
	})
}

func TestTermsGrowThoughEveryNodeIsRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		f.keepVotes()
		term := uint64(0)
		for range 20 {
			f.start()
			leader := f.oneLeader(20 * testTimeout)
			require.Greater(t, f.runs[leader].Term(), term)
			term = f.runs[leader].Term()
			f.stop()
		}
	})
}

// The logs of nodes differ when some were restarted and others not. None of them may hang on that.
func TestRestartedNodesAndOldOnesElectEachOther(t *testing.T) {
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, 3, 1)
			f.keepVotes()
			f.start()
			defer f.stop()
			for round := range 30 {
				leader := f.oneLeader(20 * testTimeout)
				others := f.others(leader)
				switch round % 3 {
				case 0: // the leader is lost
					f.stop(leader)
					f.oneLeader(20 * testTimeout)
					f.run(f.config(leader))
				case 1: // both others are, and forget their logs
					f.stop(others...)
					f.pass(2 * testTimeout)
					f.run(f.config(others[0]))
					f.run(f.config(others[1]))
				case 2: // an old node comes back to two that are new
					f.isolate(others[0])
					f.stop(leader)
					f.stop(others[1])
					f.run(f.config(leader))
					f.run(f.config(others[1]))
					f.oneLeader(30*testTimeout, leader, others[1])
					f.network.HealAll()
				}
			}
		})
	}
}

func TestLaterGenerationHasTermsAboveThoseOfTheEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		f.keepVotes()
		f.start()
		leader := f.oneLeader(10 * testTimeout)
		term := f.runs[leader].Term()
		f.stop()

		keep := f.adjust
		f.adjust = func(c *Config) { keep(c); c.Generation = 1 }
		f.nodes = append(f.nodes, Node{ID: "d", Address: "d.test:7000"}, Node{ID: "e", Address: "e.test:7000"})
		f.start()
		leader = f.oneLeader(10 * testTimeout)
		assert.Greater(t, f.runs[leader].Term(), term)
		assert.Equal(t, uint32(1), generationOf(f.runs[leader].Term()))
		f.stop()
	})
}
