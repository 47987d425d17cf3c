package s3lect

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWorkIsNotRunAgainByAStartThatFollowsTheStop(t *testing.T) {
	for range 20 { // which of Lead and Start comes first is up to the scheduler
		synctest.Test(t, func(t *testing.T) {
			e := startElector(t, newMemStorage(), "a")
			returned := make(chan struct{})
			go func() {
				defer close(returned)
				err := e.Lead(soon(t), func(ctx context.Context, _ int64) error {
					select {
					case <-returned:
						assert.Fail(t, "the work runs although Lead has returned")
					default:
					}
					<-ctx.Done()
					return nil
				})
				assert.ErrorIs(t, err, ErrStopped)
			}()
			require.NoError(t, e.WaitForLeadership(soon(t)))
			require.NoError(t, e.Stop())
			require.NoError(t, e.Start(t.Context()))
			<-returned
			require.NoError(t, e.WaitForLeadership(soon(t)))
			time.Sleep(time.Minute)
			require.NoError(t, e.Stop())
		})
	}
}

func TestStopBoundsAResignationThatIsAlreadyBeingWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a", func(c *ElectorConfig) { c.LeaderTimeout = time.Hour })
		require.NoError(t, e.WaitForLeadership(soon(t)))
		s.setFault(unreachable)
		resigned := make(chan error, 1)
		go func() { resigned <- e.Resign(context.Background()) }()
		time.Sleep(time.Minute)
		stopping := time.Now()
		require.ErrorContains(t, e.Stop(), "not released")
		assert.LessOrEqual(t, time.Since(stopping), 30*time.Minute)
		require.ErrorContains(t, <-resigned, "not released")
	})
}

func TestLeadershipWithoutWorkLastsAsLongAsItsTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		require.NoError(t, e.Lead(soon(t), func(context.Context, int64) error { return nil }))
		require.NoError(t, e.WaitForLeadership(soon(t)))
		s.setFault(unreachable)
		time.Sleep(e.Remaining() - time.Millisecond)
		assert.True(t, e.IsLeader(), "the work is done, so nothing needs time to stop")
		time.Sleep(time.Millisecond)
		assert.False(t, e.IsLeader())
		s.setFault(nil)
		require.NoError(t, e.Stop())
	})
}

func TestStatusKnowsNothingOfTheKeyBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		s.put([]byte(`{"leaderID":"b","leaderAddr":"b:1","lastUpdated":"2026-01-01T00:00:00Z","term":9}`))
		e := startElector(t, s, "a")
		time.Sleep(time.Second)
		require.Equal(t, "b", e.LeaderID())
		s.setFault(hang)
		config := *e.GetConfig()
		config.LockfilePath = "another.json"
		require.NoError(t, e.UpdateConfig(config))
		synctest.Wait()
		assert.Equal(t, &LeadershipStatus{ServerID: "a", LockfilePath: "another.json"}, e.GetLeadershipStatus())

		require.NoError(t, e.Stop())
		config.LockfilePath, config.ServerID = "a third.json", "z"
		require.NoError(t, e.UpdateConfig(config))
		assert.Equal(t, &LeadershipStatus{ServerID: "z", LockfilePath: "a third.json"}, e.GetLeadershipStatus())
		s.setFault(nil)
	})
}

func TestTermsSurviveAStopWithAChangedConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		require.NoError(t, e.Stop())
		config := *e.GetConfig()
		config.ServerAddr = "b:1"
		require.NoError(t, e.UpdateConfig(config))
		s.delete()
		require.NoError(t, e.Start(t.Context()))
		require.NoError(t, e.WaitForLeadership(soon(t)))
		assert.EqualValues(t, 2, e.Term())
		assert.Equal(t, "b:1", s.record(t).LeaderAddr)
		require.NoError(t, e.Stop())
	})
}
