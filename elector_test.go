package s3lect

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errUnreachable = errors.New("storage unreachable")

func unreachable(context.Context, string) error { return errUnreachable }

// hang obeys the context, as the contract demands.
func hang(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestOneCandidateBecomesLeaderAtOnceAndStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		begun := time.Now()
		require.NoError(t, e.WaitForLeadership(soon(t)))
		assert.Less(t, time.Since(begun), time.Second)
		time.Sleep(time.Hour)
		assert.True(t, e.IsLeader())
		assert.EqualValues(t, 1, e.Term())
		assert.Equal(t, "a", e.LeaderID())
		require.NoError(t, e.Stop())
		assert.False(t, e.IsLeader())
		assert.Zero(t, e.Term())
		assert.Zero(t, e.Remaining())
		assert.True(t, s.record(t).Resigned())
	})
}

func TestSteadyLeaderMakesOneWritePerRenewalAndReadsOnlyWhereItHasTo(t *testing.T) {
	for name, c := range map[string]struct {
		wrap  func(Storage) Storage
		reads int
	}{
		"on a storage that reports ETags": {func(s Storage) Storage { return s }, 0},
		"on a plain storage":              {func(s Storage) Storage { return plain{s} }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemStorage()
				e := startElector(t, c.wrap(s), "a")
				require.NoError(t, e.WaitForLeadership(soon(t)))
				time.Sleep(time.Second)
				reads, writes, _ := s.counts()
				time.Sleep(time.Hour)
				readsAfter, writesAfter, refused := s.counts()
				assert.LessOrEqual(t, writesAfter-writes, 720)
				assert.GreaterOrEqual(t, writesAfter-writes, 705)
				assert.InDelta(t, c.reads*(writesAfter-writes), readsAfter-reads, float64(c.reads))
				assert.Zero(t, refused)
				assert.True(t, e.IsLeader())
				require.NoError(t, e.Stop())
			})
		})
	}
}

func TestLeaderCutOffFromStorageStopsBeforeAnotherBegins(t *testing.T) {
	for name, fault := range map[string]func(context.Context, string) error{"errors": unreachable, "hangs": hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemStorage()
				link := &memLink{Storage: s}
				a := startElector(t, link, "a")
				require.NoError(t, a.WaitForLeadership(soon(t)))
				b := startElector(t, s, "b")
				time.Sleep(time.Minute)
				link.cut(fault)
				cut := time.Now()
				require.NoError(t, b.WaitForLeadership(soon(t)))
				assert.False(t, a.IsLeader())
				assert.LessOrEqual(t, time.Since(cut), 2*DefaultLeaderTimeout+time.Second)
				assert.EqualValues(t, 2, b.Term())
				assert.NotZero(t, a.GetLeadershipStatus().ConsecutiveFails)
				assert.NotEmpty(t, a.GetLeadershipStatus().LastError)
				link.cut(nil)
				time.Sleep(time.Minute)
				assert.Equal(t, "b", a.LeaderID())
				assert.Zero(t, a.GetLeadershipStatus().ConsecutiveFails)
				assert.Empty(t, a.GetLeadershipStatus().LastError)
				require.NoError(t, a.Stop())
				require.NoError(t, b.Stop())
			})
		})
	}
}

func TestStorageThatIgnoresItsContextNeitherHangsNorFloodsTheElector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		release := make(chan struct{})
		var begun atomic.Int32
		e := startElector(t, s, "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		s.setFault(func(context.Context, string) error { begun.Add(1); <-release; return errUnreachable })
		time.Sleep(DefaultLeaderTimeout)
		assert.False(t, e.IsLeader())
		time.Sleep(time.Hour)
		assert.EqualValues(t, maxCalls, begun.Load())
		assert.Contains(t, e.GetLeadershipStatus().LastError, "have not returned")
		stopping := time.Now()
		require.NoError(t, e.Stop())
		assert.Less(t, time.Since(stopping), DefaultLeaderTimeout)
		close(release)
	})
}

func TestBadObjectIsLeftAloneAndReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		s.put([]byte("somebody's holiday pictures"))
		e := startElector(t, s, "a")
		time.Sleep(time.Hour)
		assert.False(t, e.IsLeader())
		assert.ErrorIs(t, e.GetLeadershipStatus().Err, ErrBadRecord)
		assert.Contains(t, e.GetLeadershipStatus().LastError, "not a leader record")
		assert.NotZero(t, e.GetLeadershipStatus().ConsecutiveFails)
		_, writes, _ := s.counts()
		assert.Zero(t, writes)
		require.NoError(t, e.Stop())
	})
}

func TestStopIsIdempotentAndTheElectorCanBeStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := newElector(t, s, "a")
		require.NoError(t, e.Stop())
		for term := int64(1); term < 4; term++ {
			require.NoError(t, e.Start(t.Context()))
			require.ErrorIs(t, e.Start(t.Context()), ErrAlreadyStarted)
			require.NoError(t, e.WaitForLeadership(soon(t)))
			assert.Equal(t, term, e.Term())
			require.NoError(t, e.Stop())
			require.NoError(t, e.Stop())
		}
	})
}

func TestCancellingTheContextOfStartIsAGracefulStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := newElector(t, s, "a")
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, e.Start(ctx))
		require.NoError(t, e.WaitForLeadership(soon(t)))
		cancel()
		synctest.Wait()
		assert.False(t, e.IsLeader())
		require.NoError(t, e.Stop())
		assert.True(t, s.record(t).Resigned())
	})
}

func TestStopThatCannotReleaseSaysSoInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		s.setFault(unreachable)
		begun := time.Now()
		require.ErrorContains(t, e.Stop(), "not released")
		assert.Less(t, time.Since(begun), DefaultLeaderTimeout)
	})
}

func TestFollowerTakesOverQuicklyFromOneThatResigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		a := startElector(t, s, "a", everyFive)
		require.NoError(t, a.WaitForLeadership(soon(t)))
		b := startElector(t, s, "b", everyFive)
		time.Sleep(time.Minute)
		require.NoError(t, a.Resign(t.Context()))
		assert.False(t, a.IsLeader())
		resigned := time.Now()
		require.NoError(t, b.WaitForLeadership(soon(t)))
		assert.LessOrEqual(t, time.Since(resigned), DefaultFrequentInterval+time.Second)
		require.ErrorIs(t, a.Resign(t.Context()), ErrNotLeader)
		require.NoError(t, a.Stop())
		require.NoError(t, b.Stop())
	})
}

func TestLonelyCandidateLeadsAgainOneLeaseAfterItResigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startElector(t, newMemStorage(), "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		require.NoError(t, e.Resign(t.Context()))
		resigned := time.Now()
		require.NoError(t, e.WaitForLeadership(soon(t)))
		assert.GreaterOrEqual(t, time.Since(resigned), DefaultLeaderTimeout)
		assert.Less(t, time.Since(resigned), DefaultLeaderTimeout+DefaultFrequentInterval)
		require.NoError(t, e.Stop())
	})
}

func TestTransferMakesTheNamedCandidateTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		all := map[string]*S3Elector{}
		for _, id := range []string{"a", "b", "c", "d"} {
			all[id] = startElector(t, s, id)
		}
		time.Sleep(5 * time.Minute)
		for _, heir := range []string{"c", "a", "d", "b", "c"} {
			leader := all[all["a"].LeaderID()]
			if leader == all[heir] {
				continue
			}
			require.NoError(t, leader.TransferLeadership(t.Context(), heir))
			require.NoError(t, all[heir].WaitForLeadership(soon(t)))
			time.Sleep(time.Minute)
			assert.True(t, all[heir].IsLeader())
		}
		for _, e := range all {
			require.NoError(t, e.Stop())
		}
	})
}

func TestTransferToNobodyOrToItselfIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startElector(t, newMemStorage(), "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		require.ErrorContains(t, e.TransferLeadership(t.Context(), ""), "required")
		require.ErrorContains(t, e.TransferLeadership(t.Context(), "a"), "itself")
		assert.True(t, e.IsLeader())
		require.NoError(t, e.Stop())
		require.ErrorIs(t, e.TransferLeadership(t.Context(), "b"), ErrNotLeader)
	})
}

func TestResignThatCannotBeWrittenSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		s.setFault(unreachable)
		require.ErrorContains(t, e.Resign(t.Context()), "not released")
		assert.False(t, e.IsLeader())
		s.setFault(nil)
		require.NoError(t, e.Stop())
	})
}

func TestWaitersOnAnElectorThatIsNotRunningGetAnErrorAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElector(t, newMemStorage(), "a")
		check := func() {
			require.ErrorIs(t, e.WaitForLeadership(soon(t)), ErrNotStarted)
			_, err := e.WaitForNextElection(soon(t), time.Time{})
			require.ErrorIs(t, err, ErrNotStarted)
		}
		check()
		require.NoError(t, e.Start(t.Context()))
		require.NoError(t, e.WaitForLeadership(soon(t)))
		require.NoError(t, e.Stop())
		check()
	})
}

func TestWaitersAreToldWhenTheElectorStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		leader := startElector(t, s, "a")
		require.NoError(t, leader.WaitForLeadership(soon(t)))
		e := startElector(t, s, "b")
		errs := make(chan error, 2)
		go func() { errs <- e.WaitForLeadership(soon(t)) }()
		go func() {
			_, err := e.WaitForNextElection(soon(t), time.Now().Add(time.Hour))
			errs <- err
		}()
		time.Sleep(time.Minute)
		require.NoError(t, e.Stop())
		require.ErrorIs(t, <-errs, ErrNotStarted)
		require.ErrorIs(t, <-errs, ErrNotStarted)
		require.NoError(t, leader.Stop())
	})
}

func TestWaitersObeyTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		leader := startElector(t, s, "a")
		require.NoError(t, leader.WaitForLeadership(soon(t)))
		e := startElector(t, s, "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, e.WaitForLeadership(ctx), context.DeadlineExceeded)
		_, err := e.WaitForNextElection(ctx, time.Now().Add(time.Hour))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, e.Stop())
		require.NoError(t, leader.Stop())
	})
}

func TestWaitForNextElectionReturnsAfterTheFirstCheckWhateverItsResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		s.setFault(unreachable)
		e := startElector(t, s, "a")
		status, err := e.WaitForNextElection(soon(t), time.Time{})
		require.NoError(t, err)
		assert.Equal(t, 1, status.ConsecutiveFails)
		since := time.Now()
		status, err = e.WaitForNextElection(soon(t), since)
		require.NoError(t, err)
		assert.True(t, status.LastElectionTime.After(since))
		require.NoError(t, e.Stop())
	})
}

func TestWatchYieldsEveryChangeInOrderEvenToASlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := newElector(t, s, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var seen []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for status := range e.Watch(ctx) {
				seen = append(seen, fmt.Sprintf("%v %d", status.IsLeader, status.Term))
				time.Sleep(time.Minute) // slower than the changes
			}
		}()
		for range 3 {
			require.NoError(t, e.Start(t.Context()))
			require.NoError(t, e.WaitForLeadership(soon(t)))
			require.NoError(t, e.Stop())
		}
		time.Sleep(time.Hour)
		cancel()
		<-done
		assert.Equal(t, []string{"false 0", "true 1", "false 1", "true 2", "false 2", "true 3", "false 3"}, seen)
	})
}

func TestLeaderTimeoutChangedWhileLeadingIsPublishedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		config := *e.GetConfig()
		config.LeaderTimeout, config.FrequentInterval = 2*time.Second, 500*time.Millisecond
		require.NoError(t, e.UpdateConfig(config))
		assert.LessOrEqual(t, e.Remaining(), 2*time.Second)
		time.Sleep(100 * time.Millisecond)
		assert.Equal(t, 2*time.Second, s.record(t).Lease)
		time.Sleep(time.Minute)
		assert.True(t, e.IsLeader())
		assert.EqualValues(t, 1, e.Term())
		require.NoError(t, e.Stop())
	})
}

func TestChangedServerIDIsAGracefulEndAndAFreshStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		config := *e.GetConfig()
		config.ServerID = "z"
		require.NoError(t, e.UpdateConfig(config))
		synctest.Wait()
		assert.False(t, e.IsLeader())
		require.NoError(t, e.WaitForLeadership(soon(t)))
		assert.Equal(t, "z", s.record(t).LeaderID)
		assert.EqualValues(t, 2, e.Term())
		require.NoError(t, e.Stop())
	})
}

func TestChangedLockfilePathIsAnotherElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		config := *e.GetConfig()
		config.LockfilePath = "another.json"
		require.NoError(t, e.UpdateConfig(config))
		synctest.Wait()
		require.NoError(t, e.WaitForLeadership(soon(t)))
		assert.EqualValues(t, 1, e.Term())
		assert.True(t, s.record(t).Resigned(), "the first one was released")
		require.NoError(t, e.Stop())
	})
}

func TestInvalidConfigurationChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startElector(t, newMemStorage(), "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		before := e.GetConfig()
		config := *before
		config.FrequentInterval = -1
		require.ErrorContains(t, e.UpdateConfig(config), "FrequentInterval")
		assert.Equal(t, before, e.GetConfig())
		assert.True(t, e.IsLeader())
		require.ErrorContains(t, e.EnablePeerMode([]byte("no PEM")), "PeerCACert")
		assert.False(t, e.GetConfig().PeerMode)
		require.NoError(t, e.EnablePeerMode(nil))
		assert.True(t, e.GetConfig().PeerMode)
		require.NoError(t, e.Stop())
	})
}

func TestTwinWithTheSameServerIDIsAnotherCandidateAndIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		a := startElector(t, s, "a")
		require.NoError(t, a.WaitForLeadership(soon(t)))
		twin := startElector(t, s, "a")
		time.Sleep(time.Minute)
		assert.True(t, a.IsLeader())
		assert.False(t, twin.IsLeader())
		assert.ErrorIs(t, twin.GetLeadershipStatus().Err, ErrDuplicateServerID)
		assert.Contains(t, twin.GetLeadershipStatus().LastError, "ID of its own")
		require.NoError(t, a.Stop())
		require.NoError(t, twin.WaitForLeadership(soon(t)))
		assert.Empty(t, twin.GetLeadershipStatus().LastError)
		require.NoError(t, twin.Stop())
	})
}

func TestRecordRemovedUnderALeaderEndsItsLeadershipAtTheNextRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		require.NoError(t, e.WaitForLeadership(soon(t)))
		s.delete()
		removed := time.Now()
		time.Sleep(DefaultFrequentInterval + time.Second)
		assert.False(t, e.IsLeader())
		require.NoError(t, e.WaitForLeadership(soon(t)))
		assert.GreaterOrEqual(t, time.Since(removed), DefaultLeaderTimeout)
		assert.EqualValues(t, 2, e.Term(), "above every term ever seen")
		require.NoError(t, e.Stop())
	})
}

func TestElectorOptionsThatCannotWorkAreRefused(t *testing.T) {
	_, err := NewS3Elector(S3ElectorOptions{Storage: newMemStorage()})
	require.ErrorContains(t, err, "Config is required")
	_, err = NewS3Elector(S3ElectorOptions{Config: testConfig("a")})
	require.ErrorContains(t, err, "Storage is required")
	_, err = NewS3Elector(S3ElectorOptions{Config: &ElectorConfig{}, Storage: newMemStorage()})
	require.ErrorContains(t, err, "LockfilePath")
}

func TestElectorKeepsItsOwnCopyOfTheConfiguration(t *testing.T) {
	config := testConfig("a")
	config.PeerCACert = nil
	e, err := NewS3Elector(S3ElectorOptions{Config: config, Storage: newMemStorage(), Logger: quiet()})
	require.NoError(t, err)
	config.ServerID = "changed"
	e.GetConfig().ServerID = "changed"
	assert.Equal(t, "a", e.GetConfig().ServerID)
}

// soon is a context that ends, in fake time, long after everything that should happen has.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// everyFive reads at FrequentInterval even while settled.
func everyFive(c *ElectorConfig) { c.InfrequentInterval = DefaultFrequentInterval }

// memLink is one process's way to a storage that others share.
type memLink struct {
	Storage
	fault atomic.Pointer[func(ctx context.Context, op string) error]
}

// cut puts a fault into every call from now on; nil mends the link.
func (l *memLink) cut(fault func(ctx context.Context, op string) error) { l.fault.Store(&fault) }

func (l *memLink) broken(ctx context.Context, op string) error {
	if f := l.fault.Load(); f != nil && *f != nil {
		return (*f)(ctx, op)
	}
	return nil
}

func (l *memLink) Get(ctx context.Context, key string) ([]byte, string, error) {
	if err := l.broken(ctx, "get"); err != nil {
		return nil, "", err
	}
	return l.Storage.Get(ctx, key)
}

func (l *memLink) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	if err := l.broken(ctx, "put"); err != nil {
		return err
	}
	return l.Storage.PutIfMatch(ctx, key, data, etag)
}

func TestErrorsThatDifferOnlyInWordsAreNoChangeToWatchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		var request atomic.Int32
		s.setFault(func(context.Context, string) error {
			time.Sleep(time.Millisecond) // so that the watcher is there before the first one fails
			return fmt.Errorf("request %d: %w", request.Add(1), errUnreachable)
		})
		e := startElector(t, s, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var troubled []bool
		for status := range e.Watch(ctx) {
			troubled = append(troubled, status.LastError != "")
		}
		assert.Equal(t, []bool{false, true}, troubled)
		require.NoError(t, e.Stop())
	})
}
