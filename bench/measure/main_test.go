package measure

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

var (
	runs = flag.Int("runs", 1, "how often everything is measured; at least 200 for a figure that is published")
	out  = flag.String("out", "", "the `file` that the table is written to")
)

// progress says on standard error what is measured now, when it takes long.
func progress(format string, args ...any) {
	if *out != "" {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// bubbles calls f for the seeds from 1 to n, each in a bubble of its own, as many at a time as there are
// processors, and returns what it returned, by seed.
func bubbles[T any](t *testing.T, n int, f func(seed uint64) (T, error)) []T {
	t.Helper()
	found := make([]T, n)
	var next atomic.Int64
	var failed atomic.Bool // of these, whatever has failed before
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := next.Add(1); seed <= int64(n); seed = next.Add(1) {
				passed := t.Run(fmt.Sprint(seed), func(t *testing.T) {
					defer alarm(standstill, func() {
						debug.SetTraceback("all")
						panic(t.Name() + stands)
					})()
					synctest.Test(t, func(t *testing.T) {
						v, err := f(uint64(seed))
						if assert.NoError(t, err) {
							found[seed-1] = v
						}
					})
				})
				if !passed {
					failed.Store(true)
				}
			}
		})
	}
	workers.Wait()
	if failed.Load() {
		t.FailNow()
	}
	return found
}

// standstill is in real time. No bubble takes nearly as long.
const standstill = 10 * time.Minute

const stands = " does not come to its end: either fake time stands still, since a goroutine waits for a mutex and not for something in " +
	"the bubble (does a candidate hold one over a request?), or something goes on for ever, as a Stop that does not return"

// alarm calls ring after d in real time, unless it is called off.
func alarm(d time.Duration, ring func()) (callOff func()) {
	timer := time.AfterFunc(d, ring)
	return func() { timer.Stop() }
}

// isOurs reports whether it is this project's elector.
func isOurs(c contender.Contender) bool {
	return c.Module == "github.com/seed-6dc909bb/s3lect"
}
