package measure

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

// Day is what elections side by side have asked of their store, and how fast they were.
type Day struct {
	Windows       []arena.Counts // of each election and each window
	Gaps          []time.Duration
	Reads, Writes []time.Duration // latencies, from the sender's side
}

// Schedule is how long a day is.
type Schedule struct {
	Elections int // side by side
	Windows   int // of each; in the middle of each its leader crashes or stops, in turns
	Window    time.Duration
}

// ScaledDay is a day in a tenth of its time: an hour of 24 elections.
func ScaledDay() Schedule { return Schedule{Elections: 24, Windows: 10, Window: 36 * time.Second} }

// ScaledSettings are the defaults in a tenth of their time.
func ScaledSettings() contender.Settings {
	return contender.Defaults().WithLease(contender.Defaults().Lease / 10)
}

// RealDay holds the elections in real time on a real server.
func RealDay(c contender.Contender, schedule Schedule, server http.RoundTripper, endpoint string) (*Day, error) {
	day, mu := &Day{}, sync.Mutex{}
	var all sync.WaitGroup
	var failed error
	for i := range schedule.Elections {
		all.Go(func() {
			one, err := election(c, schedule, i, arena.Options{Server: server, Endpoint: endpoint})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			day.add(one)
		})
	}
	all.Wait()
	return day, failed
}

// FakeElection is one of the elections of a day on the store in memory, with the latencies of a real one.
func FakeElection(c contender.Contender, schedule Schedule, number int, latency *Latencies) (*Day, error) {
	return election(c, schedule, number, arena.Options{Delay: latency.next})
}

// Latencies are those that a day had, one after the other and in any order.
type Latencies struct {
	reads, writes []time.Duration
	read, written atomic.Int64
}

// Latencies returns those of this day.
func (d *Day) Latencies() *Latencies {
	l := &Latencies{reads: slices.Clone(d.Reads), writes: slices.Clone(d.Writes)}
	random := rand.New(rand.NewPCG(1, 5)) //nolint:gosec // reproducible, not secret
	for _, of := range [][]time.Duration{l.reads, l.writes} {
		random.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
	}
	return l
}

func (l *Latencies) next(_ *rand.Rand, write bool) time.Duration {
	if write {
		return l.writes[int(l.written.Add(1))%len(l.writes)]
	}
	return l.reads[int(l.read.Add(1))%len(l.reads)]
}

func (d *Day) add(o *Day) {
	d.Windows, d.Gaps = append(d.Windows, o.Windows...), append(d.Gaps, o.Gaps...)
	d.Reads, d.Writes = append(d.Reads, o.Reads...), append(d.Writes, o.Writes...)
}

// Total is everything that was asked.
func (d *Day) Total() (sum arena.Counts) {
	for _, w := range d.Windows {
		sum.Reads, sum.Writes, sum.Refused = sum.Reads+w.Reads, sum.Writes+w.Writes, sum.Refused+w.Refused
	}
	return sum
}

// election is one of five nodes, in which something happens in the middle of each window.
func election(c contender.Contender, schedule Schedule, number int, o arena.Options) (*Day, error) {
	day, mu := &Day{}, sync.Mutex{}
	o.Seed = uint64(number) + 1
	o.Seen = func(write bool, took time.Duration, _ bool) {
		mu.Lock()
		defer mu.Unlock()
		if write {
			day.Writes = append(day.Writes, took)
		} else {
			day.Reads = append(day.Reads, took)
		}
	}
	s := ScaledSettings()
	s.Key = fmt.Sprintf("leader-%d.json", number)
	f, err := enter(c, s, 5, o, arena.Fault{})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.leader(); err != nil {
		return nil, err
	}
	time.Sleep(4 * s.Lease)
	events := Events()[:2]
	for w := range schedule.Windows {
		before, began := f.Counts(), time.Now()
		time.Sleep(schedule.Window/2 + f.between(0, s.Renew))
		leader, err := f.leader()
		if err != nil {
			return nil, err
		}
		struck := time.Now()
		restore := events[w%2].strike(f, leader)
		gap, err := f.withoutOther(leader, struck)
		if err != nil {
			return nil, err
		}
		day.Gaps = append(day.Gaps, gap)
		if err := restore(); err != nil {
			return nil, err
		}
		time.Sleep(schedule.Window - time.Since(began))
		day.Windows = append(day.Windows, f.Counts().Minus(before))
	}
	mu.Lock()
	defer mu.Unlock()
	return &Day{slices.Clone(day.Windows), slices.Clone(day.Gaps), slices.Clone(day.Reads), slices.Clone(day.Writes)}, nil
}
