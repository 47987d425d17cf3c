package election

import (
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/memory"
)

// seeds is how many schedules of faults are tried; more on demand.
func seeds(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("ELECTION_SEEDS")
	if text == "" {
		return 10
	}
	count, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return count
}

// Whatever the network does and whoever is restarted, there is never more than one leader, no term has two, and there is one
// again once everything works. The engine has randomness of its own, so that a seed repeats the faults and not the run.
func TestNeverTwoLeadersUnderRandomFaults(t *testing.T) {
	for seed := range seeds(t) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewSource(seed))
				f := newFleet(t, 2+random.Intn(4), random.Intn(2))
				f.keepVotes()
				f.start()
				f.oneLeader(20 * testTimeout)
				for range 25 {
					f.fault(random)
					f.watch(time.Duration(random.Int63n(int64(6 * testTimeout))))
				}
				f.network.HealAll()
				f.network.SetFaults(memory.Faults{})
				f.startMissing()
				f.oneLeader(30 * testTimeout)
				f.stop()
			})
		})
	}
}

// fault has one thing go wrong, or right again.
func (f *fleet) fault(random *rand.Rand) {
	anybody := func() string { return f.nodes[random.Intn(len(f.nodes))].ID }
	switch random.Intn(8) {
	case 0, 1:
		f.network.HealAll()
	case 2, 3:
		f.isolate(anybody())
	case 4, 5:
		f.network.Cut(anybody(), anybody()) // one direction of one link
	case 6:
		f.setDelays(random)
	case 7:
		id := anybody()
		if _, runs := f.runs[id]; !runs {
			f.run(f.config(id))
			return
		}
		f.isolate(id) // so that its end is not announced
		f.stop(id)
		f.network.HealAll()
		if random.Intn(2) == 0 {
			f.run(f.config(id))
		}
	}
}

func (f *fleet) setDelays(random *rand.Rand) {
	f.network.SetFaults(memory.Faults{
		Rand:     rand.New(rand.NewSource(random.Int63())),
		DelayMax: time.Duration(random.Int63n(int64(testTimeout / 3))),
		Drop:     random.Float64() / 5,
	})
}

// watch lets time pass and looks for two leaders all the while.
func (f *fleet) watch(d time.Duration) {
	f.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		f.pass(time.Millisecond)
	}
}

func (f *fleet) startMissing() {
	for _, node := range f.nodes {
		if _, runs := f.runs[node.ID]; !runs {
			f.run(f.config(node.ID))
		}
	}
}

// The control: nodes that forget their votes do lead terms twice.
func TestNodesThatForgetTheirVotesLeadTermsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		f.adjust = func(c *Config) { c.VotesFile, c.MemoryVotes = "", true }
		led := map[uint64]map[string]bool{}
		for range 30 {
			f.start()
			leader := f.oneLeader(20 * testTimeout)
			term := f.runs[leader].Term()
			if led[term] == nil {
				led[term] = map[string]bool{}
			}
			led[term][leader] = true
			for _, node := range f.nodes {
				require.NoError(t, f.runs[node.ID].Stop(t.Context()))
			}
		}
		twice := false
		for _, nodes := range led {
			twice = twice || len(nodes) > 1
		}
		require.True(t, twice, "this test cannot see what the others look for")
	})
}
