package measure

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

const (
	overlapRuns    = "runs with two leaders"
	overlapTotal   = "two leaders, total" // over all runs
	overlapEach    = "two leaders, in each run"
	overlapLongest = "two leaders, longest" // without a break
	ledShare       = "share of time with a leader"
)

func TestS3lectNeverHasTwoLeadersWhereItsAssumptionsHold(t *testing.T) {
	table := newSheet(t, "overlaps")
	for _, c := range contender.All() {
		for _, f := range arena.Faults() {
			if !Fits(c, f) {
				table.add(result.Cell{Contender: c.Name, Case: f.Name, Metric: overlapRuns, Unit: "1", Note: unfit(f.Need)})
				continue
			}
			progress("%s: %s", c.Name, f.Name)
			seen := bubbles(t, *runs, func(seed uint64) (arena.Verdict, error) {
				return Overlaps(c, contender.Defaults(), f, seed)
			})
			total := tabulate(table, c, f, seen)
			if isOurs(c) && f.Assumption == "" {
				assert.Zero(t, total, "%s had two leaders under: %s", c.Name, f.Name)
			}
		}
	}
}

// tabulate adds what was seen, and returns for how long there were two leaders in all runs.
func tabulate(table *sheet, c contender.Contender, f arena.Fault, seen []arena.Verdict) time.Duration {
	var count int
	var sum time.Duration
	var two, longest, led []float64
	for _, v := range seen {
		if v.Two > 0 {
			count++
		}
		sum += v.Two
		two, longest = append(two, v.Two.Seconds()), append(longest, v.Longest.Seconds())
		led = append(led, v.Led.Seconds()/v.Watched.Seconds())
	}
	cell := result.Cell{Contender: c.Name, Case: f.Name, Note: remark(c, f)}
	add := func(metric, unit string, values []float64) {
		cell.Metric, cell.Unit = metric, unit
		table.add(cell.Summarize(values))
	}
	// Of all runs there is one figure.
	all := func(metric, unit string, v float64) {
		cell.Metric, cell.Unit = metric, unit
		cell.Runs, cell.Min, cell.Median, cell.P99, cell.Max = len(seen), v, v, v, v
		table.add(cell)
	}
	all(overlapRuns, "1", float64(count))
	all(overlapTotal, "s", sum.Seconds())
	add(overlapEach, "s", two)
	add(overlapLongest, "s", longest)
	add(ledShare, "1", led)
	return sum
}

// remark is what to know about the figures of a contender under a fault.
func remark(c contender.Contender, f arena.Fault) string {
	if f.Assumption != "" {
		return "s3lect assumes that " + f.Assumption
	}
	var reasons []string
	for _, n := range Spared(c, f) {
		reasons = append(reasons, unfit(n))
	}
	if len(reasons) > 0 {
		return "spared some of it: " + strings.Join(reasons, "; ")
	}
	return ""
}

func TestAContenderThatIsSparedPartOfAFaultIsReportedSo(t *testing.T) {
	faults := arena.Faults()
	all := faults[len(faults)-1]
	for _, c := range contender.All() {
		if isOurs(c) {
			assert.Empty(t, remark(c, all), c.Name)
		}
		for _, f := range faults {
			if f.Need != arena.Nothing && !Fits(c, f) {
				assert.Contains(t, remark(c, all), unfit(f.Need), "%s: %s is not in it", c.Name, f.Name)
			}
		}
	}
}

// unfit says why a fault is not applied.
func unfit(n arena.Need) string {
	switch n {
	case arena.Statuses:
		return "its store does not speak HTTP"
	case arena.ETags:
		return "its store has no ETags"
	case arena.Rates, arena.Offsets:
		return "the library reads the machine's clock, and has no place to put another one in"
	default:
		return ""
	}
}
