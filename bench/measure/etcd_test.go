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

// etcdSideBySide is how many elections are held at a time: most of it is waiting.
const etcdSideBySide = 50

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
		for _, g := range sideBySide(t, *runs, func(i int) (EtcdGap, error) {
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

// etcdRequests counts what an election asks of etcd. Large fleets are counted once, for want of processors: it does not depend
// on chance.
func etcdRequests(t *testing.T, table *sheet, endpoints []string, s contender.Settings) {
	t.Helper()
	window := 4 * s.Lease
	count := func(followers int) func(i int) (int, error) {
		return func(i int) (int, error) {
			own := s
			own.Key = fmt.Sprintf("requests-%d-%d", followers, i)
			return EtcdRequests(endpoints, own, followers, window)
		}
	}
	add := func(followers int, note string, counts []int) {
		var perMonth []float64
		for _, n := range counts {
			perMonth = append(perMonth, float64(n)*float64(Month)/float64(window))
		}
		table.add(result.Cell{
			Contender: "etcd", Case: fmt.Sprintf("%d followers", followers), Metric: "requests per month", Unit: "1", X: float64(followers), Note: note,
		}.Summarize(perMonth))
	}
	progress("etcd: requests")
	add(4, "", sideBySide(t, *runs, count(4)))
	if table.Quick {
		return
	}
	for _, followers := range []int{20, 100} {
		add(followers, "counted once, during four leases", sideBySide(t, 1, count(followers)))
	}
}

// sideBySide measures n times, several times at once.
func sideBySide[T any](t *testing.T, n int, measure func(i int) (T, error)) []T {
	t.Helper()
	found, errs := make([]T, n), make([]error, n)
	for first := 0; first < n; first += etcdSideBySide {
		var all sync.WaitGroup
		for i := first; i < min(n, first+etcdSideBySide); i++ {
			all.Go(func() { found[i], errs[i] = measure(i) })
		}
		all.Wait()
	}
	require.NoError(t, errors.Join(errs...))
	return found
}
