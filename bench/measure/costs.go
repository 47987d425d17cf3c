package measure

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

// Cost is what one of some electors in one process takes.
type Cost struct {
	Heap       float64       // bytes
	Stacks     float64       // bytes; given out in pieces of 32 KiB, so that of a few electors nothing can be said
	Goroutines float64       //
	CPU        time.Duration // processor time in a minute, the answering of its requests by the arena included
}

// Costs starts so many leaders in one process, each of an election of its own, looks several times at what they
// take, each time after a window of fake time, and stops them; what is in use then was not theirs. Nothing else may run in
// this program meanwhile.
func Costs(c contender.Contender, s contender.Settings, electors, times int, window time.Duration) ([]Cost, error) {
	a := arena.New(arena.Options{Seed: 1})
	defer a.Close()
	n := a.Add()
	n.S3() // which all electors of a program share
	n.S3WithoutRetries()
	goroutines := runtime.NumGoroutine()
	candidates := make([]arena.Candidate, electors)
	for i := range candidates {
		own := s
		own.Key = fmt.Sprintf("%s-%d", s.Key, i)
		var err error
		if candidates[i], err = c.New(n, own); err != nil {
			return nil, err
		}
		// One after the other, so that they do not all renew in the same instant.
		time.Sleep(s.Renew / time.Duration(electors))
		if err := candidates[i].Start(); err != nil {
			return nil, err
		}
	}
	time.Sleep(2 * s.Lease)
	out := make([]Cost, times)
	for i := range out {
		began := processorTime()
		time.Sleep(window)
		used := processorTime() - began
		for i, candidate := range candidates {
			if !candidate.Leads() {
				return nil, fmt.Errorf("%s: elector %d of %d does not lead, and nobody contests", c.Name, i, electors)
			}
		}
		heap, stacks := inUse()
		out[i] = Cost{
			Heap: heap, Stacks: stacks,
			Goroutines: float64(runtime.NumGoroutine()-goroutines) / float64(electors),
			CPU:        time.Duration(float64(used) * float64(time.Minute) / float64(window) / float64(electors)),
		}
	}
	for _, candidate := range candidates {
		candidate.Stop()
	}
	clear(candidates)
	heap, stacks := inUse()
	for i := range out {
		out[i].Heap, out[i].Stacks = (out[i].Heap-heap)/float64(electors), (out[i].Stacks-stacks)/float64(electors)
	}
	return out, nil
}

// inUse is the memory in use, in bytes, when what is not in use any more has been collected.
func inUse() (heap, stacks float64) {
	runtime.GC()
	runtime.GC() // what pools kept the first time is let go the second
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return float64(samples[0].Value.Uint64()), float64(samples[1].Value.Uint64())
}
