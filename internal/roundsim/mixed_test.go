package roundsim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// hangAfter is far more real time than any run takes.
const hangAfter = 3 * time.Minute

var (
	seeds       = flag.Uint64("rounds.seeds", 300, "number of seeds with everything at once")
	firstSeed   = flag.Uint64("rounds.start", 1, "first seed")
	oneSeed     = flag.Uint64("rounds.seed", 0, "replay this seed alone, with its log")
	weatherName = flag.String("rounds.weather", "mixed", "what happens to requests")
	only        = flag.String("rounds.only", "", "kinds of violations that count, separated by commas; all if empty")
	allMutants  = flag.Bool("rounds.mutants", false, "try all mutants, not only the quick ones")
	tolerance   = flag.Uint64("rounds.failures", 5, "end after this many failing seeds")
	faultRuns   = flag.Uint64("rounds.each", 40, "number of seeds with one kind of fault")
)

// TestMixedRounds runs the real library under everything at once.
func TestMixedRounds(t *testing.T) {
	if *oneSeed > 0 {
		r := runInBubble(t, Options{Seed: *oneSeed, Weather: weatherNamed(t, *weatherName), Live: os.Stdout})
		require.False(t, r.Failed(), "%v", r.Violations)
		return
	}
	runSeeds(t, weatherNamed(t, *weatherName), *firstSeed, *seeds)
}

// TestEachFaultAlone runs the real library under one kind of fault at a time.
func TestEachFaultAlone(t *testing.T) {
	for _, w := range Weathers() {
		t.Run(w.Name, func(t *testing.T) { runSeeds(t, w, *firstSeed, *faultRuns) })
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
		panic(fmt.Sprintf("seed %d of weather %s hangs", o.Seed, o.Weather.Name))
	})
	defer watchdog.Stop()
	synctest.Test(t, func(*testing.T) { r = Run(o) })
	return r
}

// runSeeds shares the seeds among as many workers as there are processors.
func runSeeds(t *testing.T, w Weather, first, n uint64) {
	t.Helper()
	var next, failures, calls, requests atomic.Uint64
	began := time.Now()
	t.Run("workers", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i < n && failures.Load() < *tolerance; i = next.Add(1) - 1 {
					r := runInBubble(t, Options{Seed: first + i, Weather: w})
					calls.Add(uint64(r.Calls))
					requests.Add(uint64(r.Requests))
					if r.Failed() {
						failures.Add(1)
						t.Errorf("%v\nreplay: go test ./internal/roundsim -run TestMixedRounds -v -args -rounds.weather=%s -rounds.seed=%d", r, w.Name, r.Seed)
					}
				}
			})
		}
	})
	t.Logf("%d seeds of weather %s in %v: %d calls, %d requests", n, w.Name, time.Since(began).Round(time.Millisecond), calls.Load(), requests.Load())
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
