package sim

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var speedSeeds = flag.Uint64("sim.speed", 2, "measure the speed of the simulation over so many seeds of the mixed schedule")

// TestSpeedOfTheMixedSchedule prints the time per seed, one seed after the other, in the format of benchmarks. It
// is none, because a bubble of testing/synctest needs a test.
func TestSpeedOfTheMixedSchedule(t *testing.T) {
	s := scheduleNamed(t, "mixed")
	began := time.Now()
	for seed := uint64(1); seed <= *speedSeeds; seed++ {
		if r := runInBubble(t, Options{Seed: seed, Schedule: s}); r.Failed() {
			t.Errorf("%v", r)
		}
	}
	took := time.Since(began)
	fmt.Println("pkg: github.com/seed-6dc909bb/s3lect/internal/sim")
	fmt.Printf("BenchmarkMixedSeed %d %.0f ns/op %.1f seeds/s\n", *speedSeeds, float64(took.Nanoseconds())/float64(*speedSeeds), float64(*speedSeeds)/took.Seconds())
}
