package election

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// In fake time, so that it is the protocol's time and not this machine's.
func TestFailoverTakesAFewElectionTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		f.adjust = func(c *Config) { c.VotesFile, c.MemoryVotes = "", true }
		f.start()
		defer f.stop()
		var times []time.Duration
		for range 200 {
			lost := f.oneLeader(20 * testTimeout)
			f.pass(3 * testTimeout)
			f.isolate(lost)
			began := time.Now()
			f.oneLeader(20*testTimeout, f.others(lost)...)
			times = append(times, time.Since(began))
			f.network.HealAll()
			f.pass(3 * testTimeout)
		}
		slices.Sort(times)
		t.Logf("ElectionTimeout %v: a new leader after %v (median), %v (99th of 100), %v (most)",
			testTimeout, times[len(times)/2], times[len(times)*99/100], times[len(times)-1])
		assert.Less(t, times[len(times)-1], 10*testTimeout)
	})
}
