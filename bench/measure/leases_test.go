package measure

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/bench/contender"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

func TestFailoverIsInProportionToTheLease(t *testing.T) {
	const metric = "time without a leader after a crash"
	table := newSheet(t, "leases")
	leases := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}
	for _, lease := range leases {
		s := contender.Defaults().WithLease(lease)
		cell := result.Cell{Case: fmt.Sprint("lease ", lease), Metric: metric, Unit: "s", X: lease.Seconds()}
		limit := cell
		limit.Contender, limit.Runs, limit.Note = "limit", 1, "the lease, less the time since its last renewal: evenly distributed over the interval between two"
		limit.Min, limit.Median = (lease - s.Renew).Seconds(), (lease - s.Renew/2).Seconds()
		limit.P99, limit.Max = (lease - s.Renew/100).Seconds(), lease.Seconds()
		table.add(limit)
		for _, c := range contender.All() {
			progress("%s: lease %v", c.Name, lease)
			gaps := slices.Concat(bubbles(t, (*runs+eachBubble-1)/eachBubble, func(seed uint64) ([]time.Duration, error) {
				// Other moments for each lease, or all points of a curve would be high or low together.
				return Gaps(c, s, Crash(), seed*100+uint64(lease.Seconds()), min(eachBubble, *runs))
			})...)
			cell.Contender, cell.Note = c.Name, ""
			if c.Module == "k8s.io/client-go" && lease < 2*time.Second {
				cell.Note = "its records tell whole seconds, so that renewals within one are not seen, and the leader is replaced while it lives"
			}
			found := cell.Summarize(inSeconds(gaps))
			table.add(found)
			if isOurs(c) {
				// A follower waits for a lease from a renewal, the last of which was at most one interval, and its jitter, before the crash.
				assert.GreaterOrEqual(t, found.Min, (lease - s.Renew*103/100).Seconds(), "%s: %v", c.Name, lease)
				assert.LessOrEqual(t, found.Max, 2*lease.Seconds()+0.42, "%s: %v", c.Name, lease)
			}
		}
	}
}
