package measure

import (
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
		gaps, two := sideBySide(t, *runs, func(i int) (EtcdGap, error) {
			own := s
			own.Key = fmt.Sprintf("%s-%d", event.Name, i)
			random := rand.New(rand.NewPCG(uint64(i), 1))
			return EtcdGaps(endpoints, own, event, random)
		})
		cell := result.Cell{Contender: "etcd", Case: event.Name, Metric: gapMetric, Unit: "s", X: s.Lease.Seconds()}
		table.add(cell.Summarize(Seconds(gaps)))
		cell.Metric = "two leaders"
		table.add(cell.Summarize(Seconds(two)))
	}
	etcdRequests(t, table, endpoints, s)
}

// etcdRequests counts what four leases of an election ask of etcd. It does not depend on chance, so that one window with
// each number of followers counts.
func etcdRequests(t *testing.T, table *sheet, endpoints []string, s contender.Settings) {
	t.Helper()
	fleets := []int{4, 20, 100}
	if table.Quick {
		fleets = fleets[:1]
	}
	for _, followers := range fleets {
		window := 4 * s.Lease
		progress("etcd: requests of %d followers", followers)
		s.Key = fmt.Sprint("requests-", followers)
		n, err := EtcdRequests(endpoints, s, followers, window)
		require.NoError(t, err)
		cell := result.Cell{Contender: "etcd", Case: fmt.Sprintf("%d followers", followers), Metric: "requests per month", Unit: "1", X: float64(followers), Note: "counted once, during four leases: it does not depend on chance"}
		table.add(cell.Summarize([]float64{float64(n) * float64(Month) / float64(window)}))
	}
}

func sideBySide(t *testing.T, n int, measure func(i int) (EtcdGap, error)) (gaps, two []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var errs []error
	for first := 0; first < n; first += etcdSideBySide {
		var all sync.WaitGroup
		for i := first; i < min(n, first+etcdSideBySide); i++ {
			all.Go(func() {
				gap, err := measure(i)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					errs = append(errs, err)
				}
				gaps, two = append(gaps, gap.Gap), append(two, gap.Two)
			})
		}
		all.Wait()
	}
	require.Empty(t, errs)
	return gaps, two
}
