package s3lect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Thousands of calls of everything an elector can do, in any order, from several goroutines, from
// hooks and from work, over a faulty storage.
func TestAnyCallInAnyOrderKeepsEveryPromise(t *testing.T) {
	for seed := range uint64(abuseSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { abuse(t, seed) })
		})
	}
}

const abuseSeeds = 20

// abused is an elector, and what its hooks and its work saw.
type abused struct {
	*S3Elector
	t       *testing.T
	storage *memStorage
	link    *memLink
	between atomic.Bool // an acquire hook and the lose hook that belongs to it
	hooking atomic.Int32
	working atomic.Int32
}

func abuse(t *testing.T, seed uint64) {
	t.Helper()
	storage := newMemStorage()
	var electors []*abused
	for i := range 3 {
		a := &abused{t: t, storage: storage, link: &memLink{Storage: storage}}
		a.S3Elector = newElector(t, a.link, fmt.Sprint("candidate-", i), a.configure)
		electors = append(electors, a)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var users sync.WaitGroup
	for i, a := range electors {
		for j := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(10*i+j)))
			users.Go(func() {
				for ctx.Err() == nil {
					a.act(ctx, random)
					time.Sleep(time.Duration(random.ExpFloat64() * float64(random.IntN(4)) * float64(2*time.Second)))
				}
			})
		}
		random := rand.New(rand.NewPCG(seed, uint64(100+i)))
		users.Go(func() {
			for ctx.Err() == nil {
				time.Sleep(time.Duration(random.IntN(30)) * time.Second)
				a.link.cut(a.fault(random))
				time.Sleep(time.Duration(random.IntN(20)) * time.Second)
				a.link.cut(nil)
			}
		})
	}
	users.Go(func() {
		for ctx.Err() == nil {
			leaders := 0
			for _, a := range electors {
				if a.IsLeader() {
					leaders++
				}
			}
			assert.LessOrEqual(t, leaders, 1)
			time.Sleep(17 * time.Millisecond)
		}
	})
	time.Sleep(10 * time.Minute)
	cancel()
	users.Wait()
	for _, a := range electors {
		_ = a.Stop()
		assert.False(t, a.IsLeader())
		assert.False(t, a.between.Load(), "every acquire hook had its lose hook")
		assert.Zero(t, a.working.Load())
		assert.Zero(t, a.Term())
	}
	// And after all that an election still works.
	for _, a := range electors {
		config := *testConfig(a.GetConfig().ServerID)
		require.NoError(t, a.UpdateConfig(config))
		require.NoError(t, a.Start(t.Context()))
		require.NoError(t, a.WaitForLeadership(soon(t)))
		require.NoError(t, a.Stop())
	}
}

func (a *abused) configure(c *ElectorConfig) {
	c.OnAcquireLeadership = func(ctx context.Context) error {
		assert.False(a.t, a.between.Swap(true), "hooks alternate")
		return a.hook(ctx, 1)
	}
	c.OnLoseLeadership = func(ctx context.Context) error {
		defer func() { assert.True(a.t, a.between.Swap(false), "hooks alternate") }()
		return a.hook(ctx, 2)
	}
}

// hook does what hooks should not, but may.
func (a *abused) hook(ctx context.Context, salt uint64) error {
	assert.EqualValues(a.t, 1, a.hooking.Add(1), "never two hooks at once")
	defer a.hooking.Add(-1)
	assert.Zero(a.t, a.working.Load(), "work runs between the hooks")
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), salt))
	switch random.IntN(8) {
	case 0:
		_ = a.Resign(ctx)
	case 1:
		_ = a.Resign(context.Background())
	case 2:
		a.reconfigure(random)
	case 3:
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(1+random.IntN(20)) * time.Second):
		}
	case 4:
		time.Sleep(time.Duration(random.IntN(20)) * time.Second)
	case 5:
		return errWork
	case 6:
		runtime.Goexit()
	}
	return nil
}

func (a *abused) work(ctx context.Context, random *rand.Rand) error {
	assert.EqualValues(a.t, 1, a.working.Add(1), "never two works at once")
	defer a.working.Add(-1)
	assert.Zero(a.t, a.hooking.Load(), "work runs between the hooks")
	switch random.IntN(8) {
	case 0:
		_ = a.Resign(ctx)
	case 1:
		a.reconfigure(random)
	case 2:
		time.Sleep(time.Duration(random.IntN(40)) * time.Second)
	case 3:
		<-ctx.Done()
		assert.False(a.t, a.IsLeader())
		time.Sleep(time.Duration(random.IntN(20)) * time.Second)
		assert.False(a.t, a.IsLeader(), "nothing is claimed while work still runs")
	case 4:
		runtime.Goexit()
	case 5:
		go func() { _ = a.Stop() }() // its error says what could not be released
	default:
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(1+random.IntN(60)) * time.Second):
		}
	}
	return errWork
}

func (a *abused) act(ctx context.Context, random *rand.Rand) {
	limited, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(30))*time.Second)
	defer cancel()
	begun := time.Now()
	what := random.IntN(12)
	switch what {
	case 0, 1:
		if random.IntN(4) > 0 {
			limited = ctx
		}
		_ = a.Start(limited)
	case 2:
		_ = a.Stop()
	case 3:
		_ = a.Resign(limited)
	case 4:
		_ = a.TransferLeadership(limited, fmt.Sprint("candidate-", random.IntN(3)))
	case 5:
		a.reconfigure(random)
	case 6:
		if err := a.WaitForLeadership(limited); err != nil {
			assert.True(a.t, errors.Is(err, ErrNotStarted) || limited.Err() != nil, err)
		}
	case 7:
		since := time.Time{}
		if random.IntN(2) == 0 {
			since = time.Now()
		}
		if _, err := a.WaitForNextElection(limited, since); err != nil {
			assert.True(a.t, errors.Is(err, ErrNotStarted) || limited.Err() != nil, err)
		}
	case 8:
		for range a.Watch(limited) {
			if random.IntN(4) == 0 {
				if random.IntN(4) == 0 {
					_ = a.Stop()
				}
				break
			}
		}
	case 9:
		if random.IntN(2) == 0 {
			cancel()
		}
		fallthrough
	case 10:
		returned := false
		err := a.Lead(limited, func(ctx context.Context, term int64) error {
			assert.False(a.t, returned, "no work after Lead has returned")
			return a.work(ctx, random)
		})
		returned = true
		assert.Error(a.t, err)
	default:
		_, _, _ = a.LeaderID(), a.GetLeadershipStatus(), a.Remaining()
	}
	assert.Less(a.t, time.Since(begun), 5*time.Minute, "call %d took too long", what)
}

func (a *abused) reconfigure(random *rand.Rand) {
	config := a.GetConfig()
	lease := []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute}[random.IntN(4)]
	config.LeaderTimeout, config.FrequentInterval, config.InfrequentInterval = lease, lease/3, lease
	switch random.IntN(4) {
	case 0:
		config.ServerID = fmt.Sprint("candidate-", random.IntN(3))
	case 1:
		config.ServerAddr = fmt.Sprint("127.0.0.1:", 1+random.IntN(1000))
	}
	assert.NoError(a.t, a.UpdateConfig(*config))
}

func (a *abused) fault(random *rand.Rand) func(context.Context, string) error {
	switch random.IntN(5) {
	case 0:
		return unreachable
	case 1:
		return hang
	case 2:
		return func(context.Context, string) error { return ErrStorageThrottled }
	case 3:
		return func(_ context.Context, op string) error {
			if op == "put" {
				return ErrStoragePrecondition
			}
			return nil
		}
	}
	return nil
}
