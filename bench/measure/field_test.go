package measure

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

func TestProcessesBeginAtAnyMomentOfAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const nodes = 100
		s := contender.Defaults()
		var starts []time.Duration
		began := time.Now()
		c := contender.Contender{New: func(*arena.Node, contender.Settings) (arena.Candidate, error) {
			starts = append(starts, time.Since(began))
			return constant(false), nil
		}}
		f, err := enter(c, s, nodes, arena.Options{Seed: 1}, arena.Fault{})
		require.NoError(t, err)
		defer f.Close()
		for _, n := range f.Nodes() {
			began = time.Now()
			require.NoError(t, f.restart(n))
		}
		for _, of := range [][]time.Duration{starts[:nodes], starts[nodes:]} {
			slices.Sort(of)
			assert.Less(t, of[nodes-1], s.Renew)
			assert.InDelta(t, s.Renew/2, of[nodes/2], float64(s.Renew/10), "the median")
			assert.InDelta(t, s.Renew/10, of[nodes/10], float64(s.Renew/20), "a tenth of them")
		}
	})
}
