package measure

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/bench/contender"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

const gapMetric = "time without a leader"

// eachBubble is how many events happen one after another in one bubble.
const eachBubble = 10

func TestAnotherLeadsWithinTheBounds(t *testing.T) {
	table := newSheet(t, "gaps")
	for _, c := range contender.All() {
		for _, e := range Events() {
			progress("%s: %s", c.Name, e.Name)
			gaps := slices.Concat(bubbles(t, (*runs+eachBubble-1)/eachBubble, func(seed uint64) ([]time.Duration, error) {
				return Gaps(c, contender.Defaults(), e, seed, min(eachBubble, *runs))
			})...)
			cell := result.Cell{Contender: c.Name, Case: e.Name, Metric: gapMetric, Unit: "s"}.Summarize(inSeconds(gaps))
			table.add(cell)
			if isOurs(c) {
				assert.LessOrEqual(t, cell.Max, bound(c, e).Seconds(), "%s: %s", c.Name, e.Name)
			}
		}
	}
}

// bound is docs/design.md's for the defaults, with the claim's random wait and three round trips of at most 60 ms.
func bound(c contender.Contender, e Event) time.Duration {
	lease, frequent, trips := contender.Defaults().Lease, contender.Defaults().Renew, 7*60*time.Millisecond
	graceful := e.Name == "graceful stop"
	switch {
	case c.Name == "s3lect, peer mode" && graceful:
		return time.Second
	case c.Name == "s3lect, peer mode" && e.Name == "crash":
		return lease + trips
	case c.Name == "s3lect, peer mode" && e.Name == "cut off from storage":
		// Its last renewal may have landed without its knowing. It answers its peers as long as it trusts the one before, and
		// only then do they read a version that they have not seen.
		return lease*9/10 - frequent + lease + trips
	case c.Name == "s3lect, peer mode": // a leader that falls silent is noticed when the long poll is given up
		return lease + frequent*105/100 + lease/5 + trips
	case c.Name == "s3lect, equal intervals" && graceful:
		return frequent + trips
	case c.Name == "s3lect, equal intervals":
		return lease + frequent + trips
	case graceful:
		return lease + trips
	default:
		return 2*lease + trips
	}
}
