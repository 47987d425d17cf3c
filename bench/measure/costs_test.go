package measure

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/bench/contender"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

func TestAnElectorOfAThousandTakesOneGoroutine(t *testing.T) {
	table := newSheet(t, "costs")
	for _, c := range contender.All() {
		progress("%s: 1 elector", c.Name)
		// Each run has an elector that comes and goes. What the program makes once is made in those that do not count.
		for range 3 {
			costs(t, c, 1, 1, time.Minute)
		}
		var alone []Cost
		for range *runs {
			alone = append(alone, costs(t, c, 1, 1, 2*time.Minute)...)
		}
		addCosts(table, c, "1 elector", 1, alone)

		progress("%s: 1,000 electors", c.Name)
		electors := 1000
		if table.Quick { // under the same name, which texts ask for: it is rendered on trial, and never kept
			electors = 100
		}
		many := costs(t, c, electors, *runs, contender.Defaults().Renew)
		addCosts(table, c, "1,000 electors", electors, many)
		for _, cost := range many {
			if isOurs(c) {
				assert.LessOrEqual(t, cost.Goroutines, 1.1, "but for a few requests that are under way")
			}
		}
	}
}

func costs(t *testing.T, c contender.Contender, electors, times int, window time.Duration) (seen []Cost) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		seen, err = Costs(c, contender.Defaults(), electors, times, window)
		require.NoError(t, err)
	})
	return seen
}

func addCosts(table *sheet, c contender.Contender, name string, electors int, seen []Cost) {
	var heap, stacks, goroutines, cpu []float64
	for _, s := range seen {
		heap, stacks = append(heap, s.Heap), append(stacks, s.Stacks)
		goroutines, cpu = append(goroutines, s.Goroutines), append(cpu, s.CPU.Seconds())
	}
	cell := result.Cell{Contender: c.Name, Case: name, X: float64(electors)}
	add := func(metric, unit string, values []float64) {
		cell.Metric, cell.Unit = metric, unit
		table.add(cell.Summarize(values))
	}
	add("heap", "B", heap)
	if electors > 1 {
		add("stacks", "B", stacks)
	}
	add("goroutines", "1", goroutines)
	add("processor time per minute", "s", cpu)
}
