package election

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCallbacksComeInOrderWithWhatTheyAreAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, 0)
		f.start()
		f.oneLeader(10 * testTimeout)
		f.pass(testTimeout)
		f.stop()
		entries := f.journal.of("a")
		require.Equal(t, []string{
			"EnterFollower", "LeaveFollower", "EnterCandidate", "LeaveCandidate", "EnterLeader", "LeaveLeader",
		}, f.journal.names("a"))
		enter, leave := entries[4], entries[5]
		assert.Equal(t, StateCandidate, enter.From)
		assert.Equal(t, StateLeader, enter.To)
		assert.Equal(t, "a", enter.Leader.ID)
		assert.Equal(t, "a.test:7000", enter.Leader.Address)
		assert.Equal(t, uint64(2), enter.Term)
		assert.False(t, enter.When.IsZero())
		assert.Equal(t, StateLeader, leave.From)
		assert.Equal(t, StateStopped, leave.To)
		assert.Equal(t, uint64(2), leave.Term, "the term of the leadership that has ended")
	})
}

func TestWorkOfALeaderEndsWithItsLeaseThoughItHearsOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		f.start()
		defer f.stop()
		leader := f.oneLeader(10 * testTimeout)
		f.pass(testTimeout)
		entries := f.journal.of(leader)
		work := entries[len(entries)-1].context
		require.NoError(t, work.Err())
		f.isolate(leader)
		f.pass(f.runs[leader].Timing().Lease)
		assert.ErrorIs(t, work.Err(), context.Canceled)
		assert.Empty(t, f.leaders())
		assert.Contains(t, f.journal.names(leader), "LeaveLeader")
	})
}

func TestNodeDoesNotLeadAnyMoreWhenItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		f.adjust = func(c *Config) {
			id := c.Node.ID
			c.LeaveLeader = func(context.Context, Transition) error {
				time.Sleep(5 * testTimeout) // in a bubble: it takes its time
				assert.False(t, f.runs[id].IsLeader())
				assert.NotEqual(t, StateLeader, f.runs[id].CurrentState())
				assert.Empty(t, f.leaders(), "another one leads although this one has not left yet")
				return nil
			}
			c.EnterLeader, c.EnterFollower, c.LeaveFollower, c.EnterCandidate, c.LeaveCandidate = nil, nil, nil, nil, nil
		}
		f.start()
		leader := f.oneLeader(10 * testTimeout)
		f.pass(testTimeout)
		m := f.runs[leader]
		ended := make(chan error)
		go func() { ended <- m.Stop(t.Context()) }()
		f.pass(time.Millisecond)
		assert.False(t, m.IsLeader(), "it still leads when its end has begun")
		require.NoError(t, <-ended)
		delete(f.runs, leader)
		f.oneLeader(testTimeout)
		f.stop()
	})
}

func TestContextOfWorkOutlivesEnterLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		f.adjust = func(c *Config) { c.CallBackTimeout = testTimeout }
		f.start()
		leader := f.oneLeader(10 * testTimeout)
		f.pass(20 * testTimeout)
		var work, other entry
		for _, e := range f.journal.of(leader) {
			if e.callback == "EnterLeader" {
				work = e
			} else {
				other = e
			}
		}
		assert.NoError(t, work.context.Err())
		assert.Error(t, other.context.Err(), "that of other callbacks ends with them")
		f.stop(leader)
		assert.ErrorIs(t, work.context.Err(), context.Canceled)
		f.stop()
	})
}

func TestErrorsOfCallbacksAreReportedAndChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, 0)
		broken := errors.New("out of order")
		f.adjust = func(c *Config) {
			enter := c.EnterLeader
			c.EnterLeader = func(ctx context.Context, t Transition) error { return errors.Join(enter(ctx, t), broken) }
		}
		f.start()
		leader := f.oneLeader(10 * testTimeout)
		f.quiet(10*testTimeout, leader)
		err := <-f.runs["a"].Errors()
		require.ErrorIs(t, err, broken)
		var failed *CallbackError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, "EnterLeader", failed.Callback)
		assert.Equal(t, StateLeader, failed.Transition.To)
		assert.EqualError(t, err, "callback EnterLeader in term 2: out of order")
		f.stop()
	})
}

// A callback that ignores its context keeps those behind it waiting, and nothing else.
func TestCallbackThatHangsHoldsUpTheNextOneAndNotTheElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		release := make(chan struct{})
		f.adjust = func(c *Config) {
			c.CallBackTimeout = time.Second
			enter := c.EnterLeader
			c.EnterLeader = func(ctx context.Context, t Transition) error {
				err := enter(ctx, t)
				<-release
				return err
			}
		}
		f.start()
		first := f.oneLeader(10 * testTimeout)
		f.quiet(2*time.Second, first)
		err := <-f.runs[first].Errors()
		require.ErrorIs(t, err, ErrCallbackOverdue)
		assert.ErrorContains(t, err, "EnterLeader")

		f.isolate(first)
		f.oneLeader(15*testTimeout, f.others(first)...)
		f.pass(2 * time.Second)
		assert.NotContains(t, f.journal.names(first), "LeaveLeader", "called while EnterLeader still runs")
		entries := f.journal.of(first)
		assert.ErrorIs(t, entries[len(entries)-1].context.Err(), context.Canceled, "the work was not told")

		close(release)
		synctest.Wait()
		assert.Contains(t, f.journal.names(first), "LeaveLeader")
		f.stop()
	})
}

func TestStopLeavesACallbackThatNeverReturnsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, 0)
		release := make(chan struct{})
		c := f.config("a")
		c.CallBackTimeout = time.Second
		c.EnterFollower = func(context.Context, Transition) error { <-release; return nil }
		m := f.run(c)
		f.oneLeader(10 * testTimeout)
		began := time.Now()
		require.NoError(t, m.Stop(t.Context()))
		assert.LessOrEqual(t, time.Since(began), 3*time.Second)
		err := <-m.ended
		require.ErrorIs(t, err, ErrCallbackOverdue)
		assert.ErrorContains(t, err, "EnterFollower")
		close(release)
	})
}

func TestLeadershipThatIsOverBeforeItsTurnIsNotTold(t *testing.T) {
	calls := newCallbacks(Config{CallBackTimeout: time.Second}, func(err error) { t.Error(err) })
	var told []string
	note := func(name string) Callback {
		return func(context.Context, Transition) error { told = append(told, name); return nil }
	}
	calls.config.EnterCandidate, calls.config.LeaveCandidate = note("EnterCandidate"), note("LeaveCandidate")
	calls.config.EnterLeader, calls.config.LeaveLeader = note("EnterLeader"), note("LeaveLeader")
	calls.config.EnterFollower, calls.config.LeaveFollower = note("EnterFollower"), note("LeaveFollower")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, s := range []step{
		{Transition: Transition{To: StateCandidate}},
		{Transition: Transition{To: StateLeader}, leadership: over},
		{Transition: Transition{To: StateCandidate}},
		{Transition: Transition{To: StateFollower}},
		{Transition: Transition{To: StateStopped}},
	} {
		calls.push(s)
	}
	require.NoError(t, calls.run(t.Context()))
	assert.Equal(t, []string{"EnterCandidate", "LeaveCandidate", "EnterFollower", "LeaveFollower"}, told)
}

func TestLeadershipThatEndsWhileTheStateBeforeIsLeftIsNotTold(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	var told []string
	calls := newCallbacks(Config{
		CallBackTimeout: time.Second,
		LeaveCandidate:  func(context.Context, Transition) error { cancel(); return nil },
		EnterLeader:     func(context.Context, Transition) error { told = append(told, "EnterLeader"); return nil },
		LeaveLeader:     func(context.Context, Transition) error { told = append(told, "LeaveLeader"); return nil },
		EnterCandidate:  func(context.Context, Transition) error { told = append(told, "EnterCandidate"); return nil },
	}, func(err error) { t.Error(err) })
	calls.push(step{Transition: Transition{To: StateCandidate}})
	calls.push(step{Transition: Transition{To: StateLeader}, leadership: over})
	calls.push(step{Transition: Transition{To: StateCandidate}})
	calls.push(step{Transition: Transition{To: StateStopped}})
	require.NoError(t, calls.run(t.Context()))
	assert.Equal(t, []string{"EnterCandidate", "EnterCandidate"}, told)
}

func TestTransitionsThatNobodyTakesAreBounded(t *testing.T) {
	var reported []error
	var told []Transition
	calls := newCallbacks(Config{
		CallBackTimeout: time.Second,
		EnterFollower:   func(_ context.Context, t Transition) error { told = append(told, t); return nil },
		EnterCandidate:  func(_ context.Context, t Transition) error { told = append(told, t); return nil },
	}, func(err error) { reported = append(reported, err) })
	for i := range 2*mostPending + 1 {
		state := StateFollower
		if i%2 == 0 {
			state = StateCandidate
		}
		calls.push(step{Transition: Transition{To: state, Term: uint64(i)}})
	}
	calls.push(step{Transition: Transition{To: StateStopped}})
	require.NoError(t, calls.run(t.Context()))
	require.Len(t, reported, 2)
	assert.ErrorIs(t, reported[0], ErrCallbacksLate)
	require.Len(t, told, 1)
	assert.Equal(t, uint64(2*mostPending), told[0].Term, "the newest is what counts")
}

func TestErrorsNeverHoldTheElectionUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, 0)
		f.start()
		m := f.runs["a"]
		for i := range 10 * mostErrors {
			m.report(&CallbackError{Callback: "x", Transition: Transition{Term: uint64(i)}, Err: errors.ErrUnsupported})
		}
		f.oneLeader(10 * testTimeout)
		f.stop()
		count, last := 0, error(nil)
		for err := range m.Errors() {
			count, last = count+1, err
		}
		assert.Equal(t, mostErrors, count)
		assert.ErrorContains(t, last, "term 639", "the newest are kept")
		m.report(errors.ErrUnsupported) // by whoever is late
	})
}
