package measure

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/bench/contender"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

func TestALeaderThatIsAskedSaysYes(t *testing.T) {
	table := newSheet(t, "isleader")
	clock := func() bool { return time.Now().Nanosecond() >= 0 } // a clock, and as little else as there can be
	measureQuestion(table, "time.Now", clock)
	for _, c := range contender.All() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		a, candidate, err := Leading(ctx, c, contender.Defaults())
		cancel()
		require.NoError(t, err, c.Name)
		if asked, ok := candidate.(contender.Asked); ok {
			ask := asked.Question()
			assert.True(t, ask(), c.Name)
			measureQuestion(table, c.Name, ask)
		} else {
			for _, cores := range questionCores {
				table.add(result.Cell{Contender: c.Name, Case: cores, Metric: "IsLeader", Unit: "ns", Note: "it answers no such question"})
			}
		}
		candidate.Stop() // gracefully: what has crashed may go on trying for a while
		a.Close()
	}
}

// questionCores are the cases: how many ask at once.
var questionCores = []string{"1 core", "2 cores"}

func measureQuestion(table *sheet, name string, ask func() bool) {
	const times = 50_000
	for i, cores := range questionCores {
		processors := i + 1
		cell := result.Cell{Contender: name, Case: cores, Metric: "IsLeader", Unit: "ns", X: float64(processors)}
		if runtime.NumCPU() < processors {
			cell.Note = "this machine has only one core"
			table.add(cell)
			continue
		}
		var found []float64
		for range *runs {
			found = append(found, Question(ask, processors, times))
		}
		table.add(cell.Summarize(found))
	}
}
