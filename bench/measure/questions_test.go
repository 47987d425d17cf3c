package measure

import (
	"context"
	"fmt"
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
		asked, ok := candidate.(contender.Asked)
		require.True(t, ok, "%s has no Question", c.Name)
		ask := asked.Question()
		assert.True(t, ask(), c.Name)
		measureQuestion(table, c.Name, ask)
		candidate.Stop() // gracefully: what has crashed may go on trying for a while
		a.Close()
	}
}

func measureQuestion(table *sheet, name string, ask func() bool) {
	const times = 50_000
	for _, processors := range []int{1, 2} {
		cell := result.Cell{Contender: name, Case: fmt.Sprintf("%d cores", processors), Metric: "IsLeader", Unit: "ns", X: float64(processors)}
		if processors == 1 {
			cell.Case = "1 core"
		}
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
