package measure

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

func TestASteadyS3lectWritesOncePerRenewalAndInPeerModeFollowersHardlyRead(t *testing.T) {
	const window = 10 * time.Minute
	table := newSheet(t, "requests")
	for _, c := range contender.All() {
		for _, followers := range []int{4, 20, 100} {
			progress("%s: %d followers", c.Name, followers)
			seen := bubbles(t, *runs, func(seed uint64) (arena.Counts, error) {
				return Requests(c, contender.Defaults(), followers, window, seed)
			})
			var requests, reads, writes, dollars []float64
			for _, n := range seen {
				perMonth := float64(Month) / float64(window)
				reads, writes = append(reads, float64(n.Reads)*perMonth), append(writes, float64(n.Writes)*perMonth)
				requests = append(requests, float64(n.Reads+n.Writes)*perMonth)
				dollars = append(dollars, Dollars(n)*perMonth)
				if isOurs(c) {
					assert.LessOrEqual(t, n.Writes, int(window/contender.Defaults().Renew), c.Name)
				}
				if c.Name == "s3lect, peer mode" {
					assert.LessOrEqual(t, n.Reads, followers*int(window/(3*contender.Defaults().Lease)+2), c.Name)
				}
			}
			cell := result.Cell{Contender: c.Name, Case: fmt.Sprintf("%d followers", followers), X: float64(followers)}
			add := func(metric, unit string, values []float64) {
				cell.Metric, cell.Unit = metric, unit
				table.add(cell.Summarize(values))
			}
			add("requests per month", "1", requests)
			add("reads per month", "1", reads)
			add("writes per month", "1", writes)
			if c.Store == contender.S3 {
				add("dollars per month", "$", dollars)
				continue
			}
			cell.Metric, cell.Unit, cell.Runs, cell.Note = "dollars per month", "$", 0, "a server of one's own: its requests are not paid for one by one"
			table.add(cell)
		}
	}
}
