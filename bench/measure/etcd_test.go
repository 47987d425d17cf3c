package measure

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/bench/contender"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// How many elections are held at a time, since an election mostly waits, and how many followers they may have together, each of
// which is connected to all three servers.
const (
	etcdSideBySide = 50
	etcdFollowers  = 2_000
)

func TestEtcdElectsAnotherLeader(t *testing.T) {
	t.Parallel() // most of it is waiting, in real time
	table := newSheet(t, "etcd")
	endpoints, version := startEtcd(t)
	table.Modules["etcd"] = version
	s := contender.Defaults()
	if table.Quick {
		s = s.WithLease(2 * time.Second)
	}
	for _, event := range EtcdEvents() {
		progress("etcd: %s", event.Name)
		var gaps, two []time.Duration
		for _, g := range sideBySide(t, etcdSideBySide, func(i int) (EtcdGap, error) {
			own := s
			own.Key = fmt.Sprintf("%s-%d", event.Name, i)
			random := rand.New(rand.NewPCG(uint64(i), 1))
			return EtcdGaps(endpoints, own, event, random)
		}) {
			gaps, two = append(gaps, g.Gap), append(two, g.Two)
		}
		cell := result.Cell{Contender: "etcd", Case: event.Name, Metric: gapMetric, Unit: "s", X: s.Lease.Seconds()}
		table.add(cell.Summarize(inSeconds(gaps)))
		cell.Metric = "two leaders"
		table.add(cell.Summarize(inSeconds(two)))
	}
	etcdRequests(t, table, endpoints, s)
}

// etcdRequests counts what an election asks of etcd.
func etcdRequests(t *testing.T, table *sheet, endpoints []string, s contender.Settings) {
	t.Helper()
	window := 4 * s.Lease
	fleets := []int{4, 20, 100}
	if table.Quick {
		fleets = fleets[:1]
	}
	for _, followers := range fleets {
		progress("etcd: requests with %d followers", followers)
		counts := sideBySide(t, min(etcdSideBySide, etcdFollowers/followers), func(i int) (int, error) {
			own := s
			own.Key = fmt.Sprintf("requests-%d-%d", followers, i)
			return EtcdRequests(endpoints, own, followers, window)
		})
		var perMonth []float64
		for _, n := range counts {
			perMonth = append(perMonth, float64(n)*float64(Month)/float64(window))
		}
		table.add(result.Cell{
			Contender: "etcd", Case: fmt.Sprintf("%d followers", followers), Metric: "requests per month", Unit: "1", X: float64(followers),
		}.Summarize(perMonth))
	}
}

// sideBySide measures as often as was asked for, so many at a time.
func sideBySide[T any](t *testing.T, width int, measure func(i int) (T, error)) []T {
	t.Helper()
	found, errs := make([]T, *runs), make([]error, *runs)
	for first := 0; first < *runs; first += width {
		var all sync.WaitGroup
		for i := first; i < min(*runs, first+width); i++ {
			all.Go(func() { found[i], errs[i] = measure(i) })
		}
		all.Wait()
		require.NoError(t, errors.Join(errs...)) // before the others are begun, which takes minutes
	}
	return found
}
