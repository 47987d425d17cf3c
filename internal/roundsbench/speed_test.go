package roundsbench

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/figure"
	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
	"github.com/seed-6dc909bb/s3lect/internal/serve"
)

var (
	speed       = flag.Bool("bench.speed", false, "measure the speed of elections over HTTP")
	duration    = flag.Duration("bench.time", 500*time.Millisecond, "of one measurement")
	repetitions = flag.Int("bench.count", 15, "number of measurements of which the median is shown")
)

// setNX is the name of what everything is compared with.
const setNX = "SET NX"

// TestSpeedOfElectionsSideBySide prints how many elections per second there are over HTTP, and how
// long they take, for winners (each asks for a round of its own) and losers (all ask for one that
// somebody else has won). Beside it is what the same server reaches with a handler that does nothing
// but SET NX on the same Redis, which tells a winner only once. The subjects take turns, so that what
// the machine does besides is the same for all. Nothing is asserted of figures.
func TestSpeedOfElectionsSideBySide(t *testing.T) {
	if !*speed {
		t.Skip("a measurement: -bench.speed")
	}
	subjects := newSubjects(t)
	crowds := []int{1, 16, 64}
	results := map[measurement][]figures{}
	for n := range *repetitions {
		for _, clients := range crowds {
			for _, wins := range []bool{true, false} {
				for _, s := range subjects {
					m := measurement{s.name, clients, wins}
					results[m] = append(results[m], s.measure(t, m, n))
				}
			}
		}
	}
	report(t, subjects, crowds, results)
}

// subject is a server that is measured.
type subject struct{ name, address string }

func newSubjects(t *testing.T) []subject {
	t.Helper()
	redis := redisserver.Start(t)
	subjects := []subject{
		{"Redis", serveRounds(t, at(redis.URL(nil))(t))},
		{setNX, serveSetNX(t, redis)},
	}
	for _, p := range places {
		if p.name == "directory" || p.name == "versitygw" {
			subjects = append(subjects, subject{p.name, serveRounds(t, p.make(t)(t))})
		}
	}
	return subjects
}

// serveSetNX is the same server with the smallest handler that elects on Redis.
func serveSetNX(t *testing.T, server *redisserver.Server) (address string) {
	t.Helper()
	redis := goredis.NewClient(&goredis.Options{Addr: server.Address})
	t.Cleanup(func() { require.NoError(t, redis.Close()) })
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		round, known := strings.CutPrefix(r.URL.Path, "/api/v1/elect/")
		if !known {
			http.NotFound(w, r)
			return
		}
		won, err := redis.SetNX(r.Context(), "bare/"+round, r.Header.Get("X-Candidate-Id"), 0).Result()
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		case won:
			w.WriteHeader(http.StatusAccepted)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	metrics := serve.NewMetrics()
	return start(t, at(server.URL(nil))(t), metrics, newLog(), func(func(*http.Request) error) (http.Handler, error) { return handler, nil })
}

// measurement is what is measured.
type measurement struct {
	subject string
	clients int
	wins    bool
}

// figures are the results of a measurement.
type figures struct {
	perSecond float64
	p50, p99  time.Duration
}

// measure has clients ask one question after the other for a while.
func (s subject) measure(t *testing.T, m measurement, repetition int) figures {
	t.Helper()
	rounds := fmt.Sprintf("%d-%d-%v", repetition, m.clients, m.wins)
	expected := http.StatusNoContent
	if m.wins {
		expected = http.StatusAccepted
	} else {
		other := s.dial(t, "winner")
		status, _, err := other.ask("elect", rounds)
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, status, s.name)
		other.close()
	}
	var (
		crowd sync.WaitGroup
		all   = make([][]time.Duration, m.clients)
		next  atomic.Int64
		fault atomic.Value
		began = time.Now()
		until = began.Add(*duration)
	)
	for i := range m.clients {
		c := s.dial(t, fmt.Sprintf("worker-%d", i))
		crowd.Go(func() {
			defer c.close()
			for asked := time.Now(); asked.Before(until); {
				round := rounds
				if m.wins {
					round = fmt.Sprintf("%s-%d", rounds, next.Add(1))
				}
				status, _, err := c.ask("elect", round)
				answered := time.Now()
				all[i] = append(all[i], answered.Sub(asked))
				asked = answered
				if err != nil || status != expected {
					fault.Store(errors.Join(fmt.Errorf("status %d, not %d", status, expected), err))
					return
				}
			}
		})
	}
	crowd.Wait()
	took := time.Since(began)
	require.Nil(t, fault.Load(), "%+v", m)
	latencies := slices.Sorted(slices.Values(slices.Concat(all...)))
	return figures{float64(len(latencies)) / took.Seconds(), percentile(latencies, 50), percentile(latencies, 99)}
}

func (s subject) dial(t *testing.T, id string) *client {
	t.Helper()
	c := &client{address: s.address, id: id}
	require.NoError(t, c.connect())
	return c
}

func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)-1)*percent/100]
}

// report prints a table of medians, and reports all measurements. The ratio is the median of those of one repetition.
func report(t *testing.T, subjects []subject, crowds []int, results map[measurement][]figures) {
	t.Helper()
	fmt.Printf("\n%d measurements of %v each, medians; ratio: to %s at the same time\n\n", *repetitions, *duration, setNX)
	fmt.Println("| | clients | winners/s | ratio | p50 | p99 | losers/s | ratio | p50 | p99 |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	for _, s := range subjects {
		for _, clients := range crowds {
			fmt.Printf("| %s | %d |", s.name, clients)
			for _, wins := range []bool{true, false} {
				own, bare := results[measurement{s.name, clients, wins}], results[measurement{setNX, clients, wins}]
				var ratios []float64
				for n := range own {
					ratios = append(ratios, own[n].perSecond/bare[n].perSecond)
				}
				s.tell(t, measurement{s.name, clients, wins}, own, ratios)
				fmt.Printf(" %.0f | %.2f | %v | %v |",
					median(own, func(f figures) float64 { return f.perSecond }), median(ratios, func(r float64) float64 { return r }),
					median(own, func(f figures) time.Duration { return f.p50 }).Round(10*time.Microsecond),
					median(own, func(f figures) time.Duration { return f.p99 }).Round(10*time.Microsecond))
			}
			fmt.Println()
		}
	}
}

// tell reports the measurements of one kind, with their ratios.
func (s subject) tell(t *testing.T, m measurement, own []figures, ratios []float64) {
	t.Helper()
	place := fmt.Sprintf("%s, clients: %d", s.name, m.clients)
	who := "losers"
	if m.wins {
		who = "winners"
	}
	for n, f := range own {
		figure.Report(t, place, who+" per second", "1", f.perSecond)
		figure.Times(t, place, "p50 of "+who, f.p50)
		figure.Times(t, place, "p99 of "+who, f.p99)
		if s.name != setNX {
			figure.Report(t, place, who+" to those of SET NX", "1", ratios[n])
		}
	}
}

func median[T any, N cmp.Ordered](of []T, number func(T) N) N {
	numbers := make([]N, 0, len(of))
	for _, o := range of {
		numbers = append(numbers, number(o))
	}
	slices.Sort(numbers)
	return numbers[len(numbers)/2]
}
