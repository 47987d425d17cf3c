package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTimersAreDueExactlyWhenTheMonotonicClockShowsIt holds until to read: one nanosecond earlier
// is too early, and at the moment it names the clock shows what was waited for.
func TestTimersAreDueExactlyWhenTheMonotonicClockShowsIt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		base := time.Unix(r.Int64N(1e9), r.Int64N(1e9))
		c := clock{base: base, mono: time.Duration(r.Int64N(1e13)), monoRate: 950_000 + r.Int64N(100_001), wallRate: million}
		now := base.Add(time.Duration(r.Int64N(1e12)))
		due := c.read(now).Mono + time.Duration(r.Int64N(1e11))
		d := c.until(now, due)
		require.GreaterOrEqual(t, c.read(now.Add(d)).Mono, due)
		if d > 0 {
			require.Less(t, c.read(now.Add(d-1)).Mono, due)
		}
	}
}
