package s3lect

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/env"
)

func TestLeadershipAndItsStatusBecomeVisibleAtOnce(t *testing.T) {
	storage := newMemStorage()
	e := newElector(t, storage, "a")
	claimed := make(chan struct{})
	storage.setFault(func(_ context.Context, op string) error {
		if op == "put" {
			e.mu.Lock() // as somebody does who reads the status
			close(claimed)
		}
		return nil
	})
	require.NoError(t, e.Start(t.Context()))
	<-claimed
	assert.Never(t, e.IsLeader, 20*latency, latency/10, "nobody can know the term yet")
	storage.setFault(nil)
	e.mu.Unlock()
	require.NoError(t, e.WaitForLeadership(t.Context()))
	status := e.GetLeadershipStatus()
	assert.True(t, status.IsLeader)
	assert.Equal(t, "a", status.LeaderID)
	assert.Equal(t, e.Term(), status.Term)
	require.NoError(t, e.Stop())
}

func TestWaiterHearsOfALeadershipThatWasRenewedInItsLastInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		machine := env.System()
		var slow sync.Once
		var e *S3Elector
		var err error
		var waited sync.WaitGroup
		random := machine.Uint64
		var confirming atomic.Bool
		machine.Uint64 = func() uint64 {
			if confirming.Load() && e.IsLeader() && e.Remaining() < 10*time.Millisecond {
				slow.Do(func() { // the process pauses while it takes in the confirmation
					time.Sleep(e.Remaining() + time.Millisecond)
					waited.Go(func() {
						begun := time.Now()
						assert.NoError(t, e.WaitForLeadership(soon(t)))
						assert.Less(t, time.Since(begun), time.Second)
					})
					time.Sleep(time.Millisecond)
				})
			}
			return random()
		}
		config := testConfig("a")
		config.FrequentInterval = DefaultLeaderTimeout * 4 / 5
		e, err = NewS3Elector(S3ElectorOptions{Config: config, Storage: s, Logger: quiet(), Env: machine})
		require.NoError(t, err)
		require.NoError(t, e.Start(t.Context()))
		require.NoError(t, e.WaitForLeadership(soon(t)))
		s.setFault(func(ctx context.Context, op string) error {
			confirming.Store(true)
			time.Sleep(e.Remaining() - latency - time.Millisecond)
			return nil
		})
		time.Sleep(20 * time.Second)
		s.setFault(nil)
		waited.Wait()
		assert.True(t, confirming.Load())
		require.NoError(t, e.Stop())
	})
}
