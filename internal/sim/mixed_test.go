package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/figure"
)

// hangAfter is far more real time than any run takes.
const hangAfter = 3 * time.Minute

// The defaults are for the race detector, which makes a seed several times slower: enough for it to see every
// kind of fault. make sim judges many more seeds of the same schedules without it, also in .ci/run.
var (
	seeds      = flag.Uint64("sim.seeds", 150, "number of seeds of the mixed schedule")
	firstSeed  = flag.Uint64("sim.start", 1, "first seed")
	oneSeed    = flag.Uint64("sim.seed", 0, "replay this seed alone, with its log")
	schedule   = flag.String("sim.schedule", "mixed", "run this schedule instead of the mixed one")
	only       = flag.String("sim.only", "", "kinds of violations that count, separated by commas; all if empty")
	allMutants = flag.Bool("sim.mutants", false, "try all mutants, not only the quick ones")
	crashCount = flag.Int("sim.crashes", 30, "number of crashes, and of graceful stops, that failover times are measured over")
	tolerance  = flag.Uint64("sim.failures", 5, "end after this many failing seeds")
	faultRuns  = flag.Uint64("sim.each", 4, "number of seeds of each schedule with one kind of fault")
)

// TestMixedSchedule runs the real elector under everything at once.
func TestMixedSchedule(t *testing.T) {
	if *oneSeed > 0 {
		replay(t, *oneSeed)
		return
	}
	runSeeds(t, scheduleNamed(t, *schedule), *firstSeed, *seeds)
}

// TestEachFaultAlone runs the real elector under one kind of fault at a time.
func TestEachFaultAlone(t *testing.T) {
	for _, s := range Schedules() {
		runs := *faultRuns
		switch {
		case s.Name == "mixed":
		case slices.Contains(s.faults, fleets):
			runs = max(1, runs/20) // fifty members take long
		case slices.Contains(s.faults, observing):
			runs = max(1, runs/2)
		}
		t.Run(s.Name, func(t *testing.T) { runSeeds(t, s, *firstSeed, runs) })
	}
}

// runInBubble runs one seed and returns what came of it. It ends the program if the run hangs:
// fake time does not pass while somebody waits for a mutex that a sleeper holds.
func runInBubble(t *testing.T, o Options) (r *Report) {
	t.Helper()
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	watchdog := time.AfterFunc(hangAfter, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("seed %d of schedule %s hangs", o.Seed, o.Schedule.Name))
	})
	defer watchdog.Stop()
	synctest.Test(t, func(*testing.T) { r = Run(o) })
	return r
}

// runSeeds shares the seeds among as many workers as there are processors.
func runSeeds(t *testing.T, s Schedule, first, n uint64) {
	t.Helper()
	var next, failures, leaderships, requests atomic.Uint64
	began := time.Now()
	t.Run("workers", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i < n && failures.Load() < *tolerance; i = next.Add(1) - 1 {
					r := runInBubble(t, Options{Seed: first + i, Schedule: s})
					leaderships.Add(uint64(len(r.Leaderships)))
					requests.Add(uint64(r.Requests.Reads + r.Requests.Writes))
					if r.Failed() {
						failures.Add(1)
						t.Errorf("%v\nreplay: go test ./internal/sim -run TestMixedSchedule -v -args -sim.schedule=%s -sim.seed=%d", r, s.Name, r.Seed)
					}
				}
			})
		}
	})
	figure.Times(t, s.Name, "time", time.Since(began))
	figure.Report(t, s.Name, "seeds", "1", float64(n))
	figure.Report(t, s.Name, "leaderships", "1", float64(leaderships.Load()))
	figure.Report(t, s.Name, "requests", "1", float64(requests.Load()))
	t.Logf("%d seeds of schedule %s in %v: %d leaderships, %d requests", n, s.Name, time.Since(began).Round(time.Millisecond), leaderships.Load(), requests.Load())
}

func replay(t *testing.T, seed uint64) {
	t.Helper()
	r := runInBubble(t, Options{Seed: seed, Schedule: scheduleNamed(t, *schedule), Live: os.Stdout})
	require.False(t, r.Failed(), "%v", r.Violations)
}

func scheduleNamed(t *testing.T, name string) Schedule {
	t.Helper()
	for _, s := range Schedules() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no schedule %q", name)
	return Schedule{}
}
