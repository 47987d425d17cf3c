package consensus

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestACommandThatTheEngineHasNotTakenIsNotUnknown(t *testing.T) {
	c := newCommands() // nobody submits
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.do(ctx, []byte("command"))
	require.ErrorIs(t, err, errBusy)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, c.queue, "nor will the engine get it")
	require.NotErrorIs(t, (&Node{}).applyError(nil, err), ErrUnknownOutcome)
}

func TestACommandThatIsOnItsWayCannotBeWithdrawn(t *testing.T) {
	c := newCommands()
	ctx, cancel := context.WithCancel(t.Context())
	taken := make(chan struct{})
	go func() {
		<-c.wanted
		c.mu.Lock()
		c.queue = nil // as submit takes it
		c.mu.Unlock()
		cancel()
		close(taken)
	}()
	_, err := c.do(ctx, []byte("command"))
	<-taken
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, errBusy)
}

func TestNoCommandWaitsForAnEngineThatHasEnded(t *testing.T) {
	c := newCommands()
	ended := make(chan struct{})
	close(ended)
	c.submit(nil, ended)
	_, err := c.do(t.Context(), []byte("command"))
	require.ErrorIs(t, err, errEnded)
}

func TestCommandsAreHeldUntilThoseOfTheEngineAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommands()
		c.pending.Add(1) // as submit does
		held := make(chan struct{})
		go func() {
			c.hold(t.Context(), time.Minute)
			close(held)
		}()
		synctest.Wait()
		require.True(t, c.held.Load())
		select {
		case <-held:
			t.Fatal("the engine has not answered")
		default:
		}
		c.settled()
		<-held

		ended := make(chan struct{})
		go c.submit(nil, ended) // the engine is not asked, or this would be the end
		_, err := c.do(t.Context(), []byte("command"))
		require.ErrorIs(t, err, errHandingOn)
		c.release()
		close(ended)
		synctest.Wait()
	})
}

func TestAnEngineThatDoesNotAnswerHoldsAHandoverUpForALimitedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommands()
		c.pending.Add(1)
		began := time.Now()
		c.hold(t.Context(), time.Second)
		require.Equal(t, time.Second, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.hold(ctx, time.Minute)
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}
