package s3lect

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// journal collects, in order, what hooks and work saw.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines...)
}

var errWork = errors.New("work has failed")

func TestLeadRunsTheWorkWithItsTermAndReleasesWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := newElector(t, s, "a")
		for want := int64(1); want < 4; want++ {
			err := e.Lead(soon(t), func(ctx context.Context, term int64) error {
				assert.True(t, e.IsLeader())
				assert.Equal(t, want, term)
				assert.Equal(t, want, e.Term())
				assert.NoError(t, ctx.Err())
				return errWork
			})
			require.ErrorIs(t, err, errWork)
			assert.False(t, e.IsLeader())
			assert.True(t, s.record(t).Resigned())
			require.ErrorIs(t, e.WaitForLeadership(soon(t)), ErrNotStarted, "it started the elector, so it stopped it")
		}
	})
}

func TestLeadOnAStartedElectorLeavesItRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startElector(t, newMemStorage(), "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		require.NoError(t, e.Lead(soon(t), func(context.Context, int64) error { return nil }))
		assert.False(t, e.IsLeader(), "the work is done, so the leadership is released")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		assert.EqualValues(t, 2, e.Term())
		require.NoError(t, e.Stop())
	})
}

func TestContextOfTheWorkEndsBeforeTheLeaseAndSaysUntilWhen(t *testing.T) {
	for name, fault := range map[string]func(context.Context, string) error{"errors": unreachable, "hangs": hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemStorage()
				e := newElector(t, s, "a")
				ctx, cancel := context.WithCancel(t.Context())
				var end *LeadershipEnd
				err := e.Lead(ctx, func(ctx context.Context, term int64) error {
					s.setFault(fault)
					before := e.Remaining()
					begun := time.Now()
					<-ctx.Done()
					assert.False(t, e.IsLeader())
					assert.Less(t, time.Since(begun), before)
					require.ErrorAs(t, context.Cause(ctx), &end)
					assert.ErrorIs(t, end, ErrLeaseExpired)
					assert.Equal(t, term, end.Term)
					assert.InDelta(t, DefaultLeaderTimeout/10, time.Until(end.Until), float64(20*time.Millisecond))
					cancel()
					return nil
				})
				require.ErrorIs(t, err, context.Canceled)
			})
		})
	}
}

func TestLostLeadershipIsContestedAgainWithTheSameWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := newElector(t, s, "a")
		terms := []int64{}
		err := e.Lead(soon(t), func(ctx context.Context, term int64) error {
			terms = append(terms, term)
			if len(terms) == 3 {
				return nil
			}
			s.setFault(unreachable)
			<-ctx.Done()
			s.setFault(nil)
			return errWork // only logged: the leadership had ended
		})
		require.NoError(t, err)
		assert.Equal(t, []int64{1, 2, 3}, terms)
	})
}

func TestNothingIsReleasedWhileTheWorkOverruns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		a := newElector(t, s, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var returned time.Time
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = a.Lead(ctx, func(ctx context.Context, _ int64) error {
				<-ctx.Done()
				time.Sleep(5 * time.Minute)
				returned = time.Now()
				return nil
			})
		}()
		require.NoError(t, a.waitStarted(soon(t)))
		b := startElector(t, s, "b")
		time.Sleep(time.Minute)
		cancel()
		cancelled := time.Now()
		require.NoError(t, b.WaitForLeadership(soon(t)))
		assert.GreaterOrEqual(t, time.Since(cancelled), DefaultLeaderTimeout-DefaultFrequentInterval, "the lease had to lapse")
		<-done
		assert.Equal(t, 5*time.Minute, returned.Sub(cancelled))
		require.NoError(t, b.Stop())
	})
}

func TestCandidateDoesNotClaimWhileItsEarlierWorkStillRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := newElector(t, s, "a")
		var running, most int
		calls := 0
		err := e.Lead(soon(t), func(ctx context.Context, _ int64) error {
			running++
			most = max(most, running)
			defer func() { running-- }()
			calls++
			if calls == 2 {
				return nil
			}
			s.setFault(unreachable)
			<-ctx.Done()
			s.setFault(nil)
			time.Sleep(3 * time.Minute)
			assert.False(t, e.IsLeader())
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, 1, most)
	})
}

func TestSecondLeadOnOneElectorIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElector(t, newMemStorage(), "a")
		err := e.Lead(soon(t), func(ctx context.Context, _ int64) error {
			return e.Lead(ctx, func(context.Context, int64) error { return nil })
		})
		require.ErrorIs(t, err, ErrAlreadyStarted)
		require.Error(t, e.Lead(t.Context(), nil))
	})
}

func TestLeadReturnsWhenSomebodyElseStopsTheElector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startElector(t, newMemStorage(), "a")
		go func() {
			time.Sleep(time.Minute)
			assert.NoError(t, e.Stop())
		}()
		err := e.Lead(soon(t), func(ctx context.Context, _ int64) error {
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), ErrStopped)
			return errWork
		})
		require.ErrorIs(t, err, ErrStopped)
	})
}

func TestEndOfLeadsContextWithdrawsTheWorkFromAStartedElector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := e.Lead(ctx, func(ctx context.Context, _ int64) error {
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), ErrResigned)
			return nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.True(t, s.record(t).Resigned())
		require.NoError(t, e.WaitForLeadership(soon(t)), "the elector goes on without the work")

		// Withdrawn while another leads.
		b := startElector(t, s, "b")
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, b.Lead(ctx, func(context.Context, int64) error { panic("it never leads") }), context.DeadlineExceeded)
		require.NoError(t, b.Stop())
		require.NoError(t, e.Stop())
	})
}

func TestResignFromTheWorkOnlySetsThingsGoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElector(t, newMemStorage(), "a")
		calls := 0
		err := e.Lead(soon(t), func(ctx context.Context, _ int64) error {
			if calls++; calls == 2 {
				return nil
			}
			require.NoError(t, e.Resign(ctx))
			assert.False(t, e.IsLeader())
			assert.ErrorIs(t, context.Cause(ctx), ErrResigned)
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, 2, calls)
	})
}

func TestHooksAlternateAndBracketTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := newMemStorage()
		var e *S3Elector
		e = newElector(t, s, "a", func(c *ElectorConfig) {
			c.OnAcquireLeadership = func(ctx context.Context) error {
				assert.True(t, e.IsLeader())
				j.add("acquire")
				return nil
			}
			c.OnLoseLeadership = func(ctx context.Context) error {
				assert.False(t, e.IsLeader())
				assert.NoError(t, ctx.Err())
				assert.False(t, s.record(t).Resigned(), "the resignation comes after it")
				j.add("lose")
				return nil
			}
		})
		for range 2 {
			require.NoError(t, e.Lead(soon(t), func(context.Context, int64) error { j.add("work"); return nil }))
		}
		assert.Equal(t, []string{"acquire", "work", "lose", "acquire", "work", "lose"}, j.all())
	})
}

func TestRenewalsGoOnWhileASlowAcquireHookRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		e := startElector(t, newMemStorage(), "a", func(c *ElectorConfig) {
			c.OnAcquireLeadership = func(ctx context.Context) error {
				time.Sleep(10 * time.Minute)
				assert.NoError(t, ctx.Err())
				j.add("acquired")
				return nil
			}
			c.OnLoseLeadership = func(context.Context) error { j.add("lost"); return nil }
		})
		require.NoError(t, e.WaitForLeadership(soon(t)))
		time.Sleep(9 * time.Minute)
		assert.Empty(t, j.all())
		time.Sleep(2 * time.Minute)
		assert.True(t, e.IsLeader())
		assert.EqualValues(t, 1, e.Term())
		require.NoError(t, e.Stop())
		assert.Equal(t, []string{"acquired", "lost"}, j.all())
	})
}

func TestContextOfTheAcquireHookEndsWithTheLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		ended := make(chan error, 1)
		e := startElector(t, s, "a", func(c *ElectorConfig) {
			c.OnAcquireLeadership = func(ctx context.Context) error {
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return nil
			}
		})
		require.NoError(t, e.WaitForLeadership(soon(t)))
		s.setFault(hang)
		require.ErrorIs(t, <-ended, ErrLeaseExpired)
		assert.False(t, e.IsLeader())
		s.setFault(nil)
		require.NoError(t, e.Stop())
	})
}

func TestFailedAcquireHookCleansUpResignsAndStandsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := newMemStorage()
		fail := true
		e := startElector(t, s, "a", func(c *ElectorConfig) {
			c.OnAcquireLeadership = func(context.Context) error {
				j.add("acquire")
				if fail {
					return errWork
				}
				return nil
			}
			c.OnLoseLeadership = func(context.Context) error { j.add("lose"); return nil }
		})
		time.Sleep(time.Second)
		assert.False(t, e.IsLeader())
		assert.True(t, s.record(t).Resigned())
		failed := time.Now()
		fail = false
		require.NoError(t, e.WaitForLeadership(soon(t)))
		assert.GreaterOrEqual(t, time.Since(failed), DefaultLeaderTimeout-time.Second)
		require.NoError(t, e.Stop())
		assert.Equal(t, []string{"acquire", "lose", "acquire", "lose"}, j.all())
	})
}

func TestResignAndUpdateConfigFromAHookOnlySetThingsGoing(t *testing.T) {
	for name, ctxOf := range map[string]func(context.Context) context.Context{
		"with the context of the hook": func(ctx context.Context) context.Context { return ctx },
		"with another context":         func(context.Context) context.Context { return context.Background() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var e *S3Elector
				var once sync.Once
				returned := make(chan struct{})
				e = newElector(t, newMemStorage(), "a", func(c *ElectorConfig) {
					c.OnAcquireLeadership = func(ctx context.Context) error {
						once.Do(func() {
							config := *e.GetConfig()
							config.LeaderTimeout = 20 * time.Second
							assert.NoError(t, e.UpdateConfig(config))
							assert.NoError(t, e.Resign(ctxOf(ctx)))
							assert.False(t, e.IsLeader())
							assert.ErrorIs(t, context.Cause(ctx), ErrResigned)
							close(returned)
						})
						return nil
					}
				})
				require.NoError(t, e.Start(t.Context()))
				<-returned
				require.NoError(t, e.WaitForLeadership(soon(t)))
				assert.EqualValues(t, 2, e.Term())
				require.NoError(t, e.Stop())
			})
		})
	}
}

func TestWatchersAreToldBeforeTheWorkIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		e := newElector(t, newMemStorage(), "a")
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() {
			led := false
			for status := range e.Watch(t.Context()) {
				if led && !status.IsLeader {
					j.add("watcher")
					return
				}
				led = status.IsLeader
			}
		})
		_ = e.Lead(ctx, func(ctx context.Context, _ int64) error {
			time.Sleep(time.Second)
			cancel()
			<-ctx.Done()
			// What IsLeader and the status say was published before this context ended.
			assert.False(t, e.IsLeader())
			e.mu.Lock()
			assert.False(t, e.feed.status.IsLeader)
			e.mu.Unlock()
			return nil
		})
		watching.Wait()
		assert.Equal(t, []string{"watcher"}, j.all())
	})
}

// waitStarted waits until the elector leads, even if nobody has started it yet.
func (e *S3Elector) waitStarted(ctx context.Context) error {
	for status := range e.Watch(ctx) {
		if status.IsLeader {
			return nil
		}
	}
	return ctx.Err()
}

func TestResignFromWorkThatRunsInsideAnotherElectorsOnlySetsThingsGoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		outer := newElector(t, s, "a")
		inner := newElector(t, s, "a", func(c *ElectorConfig) { c.LockfilePath = "inner.json" })
		ctx, cancel := context.WithCancel(soon(t))
		resigned := false
		err := outer.Lead(ctx, func(ctx context.Context, _ int64) error {
			return inner.Lead(ctx, func(ctx context.Context, _ int64) error {
				resigned = true
				assert.NoError(t, outer.Resign(ctx))
				cancel()
				return nil
			})
		})
		require.ErrorIs(t, err, context.Canceled)
		assert.True(t, resigned)
	})
}
