package s3lect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Everything that can be done with observers and a quorum, in any order, from several goroutines and from
// hooks, over faulty links, while the configuration of everything changes.
func TestAnyCallOfObserversInAnyOrderKeepsEveryPromise(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { abuseObservers(t, seed) })
		})
	}
}

const abusedObservers = 4

// abusedObserver is an elector in peer mode with its ways to storage and peers.
type abusedObserver struct {
	*S3Elector

	t     *testing.T
	ready atomic.Bool // before that its hooks do nothing
	link  *memLink
	way   *lane
}

func startAbusedObserver(t *testing.T, n *network, s Storage, i int) *abusedObserver {
	t.Helper()
	a := &abusedObserver{t: t, link: &memLink{Storage: s}}
	a.S3Elector, a.way = startCountedPeer(t, n, a.link, fmt.Sprint("n", i), withQuorum(2), func(c *ElectorConfig) {
		c.OnAcquireLeadership, c.OnLoseLeadership = a.hook, a.hook
	})
	a.ready.Store(true)
	return a
}

func abuseObservers(t *testing.T, seed uint64) {
	t.Helper()
	s, n := newMemStorage(), newNetwork()
	var fleet []*abusedObserver
	for i := range abusedObservers {
		fleet = append(fleet, startAbusedObserver(t, n, s, i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var users sync.WaitGroup
	for i, a := range fleet {
		for j := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(10*i+j)))
			users.Go(func() {
				for ctx.Err() == nil {
					a.act(ctx, random)
					time.Sleep(time.Duration(random.ExpFloat64() * float64(2*time.Second)))
				}
			})
		}
	}
	users.Go(func() {
		for ctx.Err() == nil {
			leaders := map[string]int{}
			for _, a := range fleet {
				if status := a.GetLeadershipStatus(); a.IsLeader() {
					leaders[status.LockfilePath]++
				}
			}
			for key, number := range leaders {
				assert.LessOrEqual(t, number, 1, key)
			}
			time.Sleep(17 * time.Millisecond)
		}
	})
	time.Sleep(5 * time.Minute)
	cancel()
	users.Wait()
	for _, a := range fleet {
		a.way.hung.Store(false)
		a.link.cut(nil)
		_ = a.Stop()
		assert.False(t, a.IsLeader())
	}
	// And after all that a quorum still forms.
	time.Sleep(time.Minute)
	var electors []*S3Elector
	for i, a := range fleet {
		config := *testConfig(fmt.Sprint("n", i))
		config.QuorumSize, config.PeerMode, config.ServerAddr = 3, i%2 == 0, fmt.Sprint("n", i, ".example:8443")
		require.NoError(t, a.UpdateConfig(config))
		require.NoError(t, a.Start(t.Context()))
		electors = append(electors, a.S3Elector)
	}
	begun := time.Now()
	leaderOf(t, electors)
	assert.Less(t, time.Since(begun), 2*time.Minute)
	stopAll(t, electors)
}

func (a *abusedObserver) hook(ctx context.Context) error {
	if !a.ready.Load() {
		return nil
	}
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	switch random.IntN(8) {
	case 0:
		_, _ = a.Observers(ctx)
	case 1:
		_ = a.RegisterObserver(ctx, "hook", nil)
	case 2:
		_ = a.UnregisterObserver(ctx, fmt.Sprint("n", random.IntN(abusedObservers)))
	case 3:
		a.reconfigure(random)
	case 4:
		_ = a.Resign(ctx)
	case 5:
		return errWork
	}
	return nil
}

func (a *abusedObserver) act(ctx context.Context, random *rand.Rand) {
	limited, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(10000))*time.Millisecond)
	defer cancel()
	begun := time.Now()
	what := random.IntN(14)
	sidecar := fmt.Sprint("sidecar-", random.IntN(5))
	switch what {
	case 0:
		_ = a.Start(ctx)
	case 1:
		if random.IntN(4) == 0 {
			_ = a.Stop()
		}
	case 2, 3:
		a.reconfigure(random)
	case 4:
		_, _ = a.Observers(limited)
	case 5:
		_ = a.RegisterObserver(limited, sidecar, map[string]string{"a": "b"})
	case 6:
		_ = a.UpdateHeartbeat(limited, sidecar)
	case 7:
		_ = a.UnregisterObserver(limited, sidecar)
	case 8:
		_ = a.Resign(limited)
	case 9:
		_ = a.TransferLeadership(limited, fmt.Sprint("n", random.IntN(abusedObservers)))
	case 10:
		_, _ = a.Announce(limited, "", 0)
	case 11:
		a.link.cut(unreachable)
		time.Sleep(time.Duration(random.IntN(20)) * time.Second)
		a.link.cut(nil)
	case 12:
		a.way.hung.Store(random.IntN(2) == 0)
	default:
		_ = a.GetLeadershipStatus()
	}
	assert.Less(a.t, time.Since(begun), 5*time.Minute, "call %d took too long", what)
}

func (a *abusedObserver) reconfigure(random *rand.Rand) {
	config := *a.GetConfig()
	switch random.IntN(8) {
	case 0:
		config.QuorumSize = random.IntN(4)
	case 1:
		config.PeerMode = !config.PeerMode
	case 2:
		config.NonVoting = random.IntN(3) == 0
	case 3:
		config.ObserverMetadata = map[string]string{"r": fmt.Sprint(random.IntN(10))}
	case 4:
		config.ObserverMetadata = nil
	case 5:
		config.LockfilePath = []string{testKey, "other.json"}[random.IntN(2)]
	case 6:
		config.ServerID = fmt.Sprint("n", random.IntN(abusedObservers))
	case 7:
		lease := []time.Duration{time.Second, 15 * time.Second, time.Minute}[random.IntN(3)]
		config.LeaderTimeout, config.FrequentInterval, config.InfrequentInterval, config.GracePeriod = lease, lease/3, lease, lease/2
	}
	_ = a.UpdateConfig(config) // may be refused
}
