package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// hangAfter is far more real time than any run takes.
const hangAfter = 5 * time.Minute

var (
	seeds       = flag.Uint64("sim.seeds", 30, "number of seeds with everything at once")
	firstSeed   = flag.Uint64("sim.start", 1, "first seed")
	oneSeed     = flag.Uint64("sim.seed", 0, "replay this seed alone, with its log")
	weatherName = flag.String("sim.weather", "mixed", "what goes wrong")
	only        = flag.String("sim.only", "", "kinds of violations that count, separated by commas; all if empty")
	tolerance   = flag.Uint64("sim.failures", 5, "end after this many failing seeds")
	faultRuns   = flag.Uint64("sim.each", 2, "number of seeds with one kind of fault")
)

// TestMixedFaults runs clusters under everything at once.
func TestMixedFaults(t *testing.T) {
	if *oneSeed > 0 {
		r := runInBubble(t, Options{Seed: *oneSeed, Weather: weatherNamed(t, *weatherName), Live: os.Stdout})
		report(t, r, *weatherName)
		return
	}
	runSeeds(t, Options{Weather: weatherNamed(t, *weatherName)}, *firstSeed, *seeds)
}

// TestEachFaultAlone runs clusters under one kind of fault at a time.
func TestEachFaultAlone(t *testing.T) {
	for _, w := range Weathers() {
		if w.Name != "mixed" {
			t.Run(w.Name, func(t *testing.T) { runSeeds(t, Options{Weather: w}, *firstSeed, *faultRuns) })
		}
	}
}

// runInBubble runs one seed and returns what came of it. It ends the program if the run hangs: fake time does not pass
// while somebody waits for a mutex that a sleeper holds.
func runInBubble(t *testing.T, o Options) (r *Report) {
	t.Helper()
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	watchdog := time.AfterFunc(hangAfter, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("seed %d of weather %s hangs", o.Seed, o.Weather.Name))
	})
	defer watchdog.Stop()
	defer func() {
		if p := recover(); p != nil {
			debug.SetTraceback("all")
			panic(fmt.Sprintf("seed %d of weather %s: %v", o.Seed, o.Weather.Name, p))
		}
	}()
	synctest.Test(t, func(*testing.T) { r = Run(o) })
	return r
}

// report tells of a run that has failed, and keeps its story and its history.
func report(t *testing.T, r *Report, weather string) {
	t.Helper()
	if !r.Failed() {
		return
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("consensus-%s-%d-", weather, r.Seed)) //nolint:usetesting // it is to outlive the test
	require.NoError(t, err)
	require.NoError(t, r.Save(dir))
	t.Errorf("%v\nstory and history: %s\nreplay: go test ./internal/sim -run TestMixedFaults -v -args -sim.weather=%s -sim.seed=%d\ncheck the history again: go test ./internal/sim -run TestHistoryOfFile -v -args -sim.history=%s/history.json",
		r, dir, weather, r.Seed, dir)
}

// runSeeds shares the seeds among as many workers as there are processors.
func runSeeds(t *testing.T, o Options, first, n uint64) {
	t.Helper()
	var next, failures atomic.Uint64
	var mu sync.Mutex
	var done, unknown, failed, terms, starts, restores int
	var recoveries []time.Duration
	began := time.Now()
	t.Run("workers", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i < n && failures.Load() < *tolerance; i = next.Add(1) - 1 {
					run := o
					run.Seed = first + i
					r := runInBubble(t, run)
					mu.Lock()
					done, unknown, failed = done+r.Done(Done), unknown+r.Done(Unknown), failed+r.Done(Failed)
					terms, starts, restores = terms+r.Terms, starts+r.Starts, restores+r.Restores
					recoveries = append(recoveries, r.Recovery)
					mu.Unlock()
					if r.Failed() {
						failures.Add(1)
						report(t, r, o.Weather.Name)
					}
				}
			})
		}
	})
	slices.Sort(recoveries)
	t.Logf("%d seeds of weather %s in %v: %d operations done, %d unknown, %d refused; %d terms with a leader, %d starts, %d snapshots restored; first write after the trouble: median %v, at most %v",
		len(recoveries), o.Weather.Name, time.Since(began).Round(time.Millisecond), done, unknown, failed, terms, starts, restores,
		recoveries[len(recoveries)/2].Round(time.Millisecond), recoveries[len(recoveries)-1].Round(time.Millisecond))
}

func weatherNamed(t *testing.T, name string) Weather {
	t.Helper()
	for _, w := range Weathers() {
		if w.Name == name {
			return w
		}
	}
	t.Fatalf("there is no weather %q", name)
	return Weather{}
}
