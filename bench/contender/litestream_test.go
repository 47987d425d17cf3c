package contender

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
)

func TestALeaseOfLitestreamsEndsForItsHolderByTheMonotonicClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := arena.New(arena.Options{Seed: 1})
		defer a.Close()
		n := a.Add()
		c := newLitestream(n, Defaults())
		held, err := c.leaser.AcquireLease(t.Context())
		require.NoError(t, err)
		c.holds(held)
		n.Step(time.Hour)
		assert.True(t, c.Leads(), "a clock that is put forward ends nothing")
		n.Step(-time.Hour)
		time.Sleep(Defaults().Lease)
		assert.False(t, c.Leads(), "a clock that is put back lengthens nothing")
	})
}
