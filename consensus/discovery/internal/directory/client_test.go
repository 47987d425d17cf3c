package directory

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

// script is a source that does what a test says, in fake time.
type script struct {
	follow func(ctx context.Context, send func([]Entry)) error
	keep   func(ctx context.Context, ok func()) error
	opened error
}

func (*script) String() string { return "the script" }
func (s *script) Open() error  { return s.opened }
func (*script) Close() error   { return nil }

func (*script) List(context.Context) ([]Entry, error) { return nil, errors.New("no list") }

func (s *script) Follow(ctx context.Context, send func([]Entry)) error { return s.follow(ctx, send) }

func (s *script) Register(discovery.Node) Registration { return s }
func (*script) Remove(context.Context, string) error   { return nil }

func (s *script) Keep(ctx context.Context, ok func()) error { return s.keep(ctx, ok) }
func (*script) Withdraw(context.Context) error              { return nil }

func TestPausesBetweenAttemptsGrowUpToTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		fail := func() error {
			at = append(at, time.Now())
			return errors.New("away")
		}
		s := &script{
			follow: func(context.Context, func([]Entry)) error { return fail() },
		}
		var log bytes.Buffer
		c := New(s, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, c.Start(t.Context()))
		_, err := c.Watch(t.Context())
		require.NoError(t, err)
		<-time.After(10 * time.Minute)
		require.NoError(t, c.Stop(t.Context()))
		assert.Less(t, at[1].Sub(at[0]), 300*time.Millisecond)
		last := at[len(at)-1].Sub(at[len(at)-2])
		assert.Greater(t, last, 7*time.Second)
		assert.LessOrEqual(t, last, mostPause)
		assert.Equal(t, 1, strings.Count(log.String(), "\n"), "an outage is logged once")
	})
}

func TestFirstOutcomeOfARegistrationIsTheAnswerAndLaterOnesAreTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		s := &script{keep: func(ctx context.Context, ok func()) error {
			if attempts++; attempts < 3 {
				return errors.New("away")
			}
			ok()
			<-ctx.Done()
			return ctx.Err()
		}}
		c := New(s, slog.New(slog.DiscardHandler))
		require.NoError(t, c.Start(t.Context()))
		node := entry("n1", "a", 1).Node
		require.ErrorContains(t, c.Register(t.Context(), node), "register n1: the script: away")
		<-time.After(time.Minute)
		synctest.Wait()
		assert.Equal(t, 3, attempts)
		require.NoError(t, c.Register(t.Context(), node))
		require.NoError(t, c.Stop(t.Context()))
	})
}

// A registration that hangs is given up by its caller, and goes on by itself.
func TestRegisterEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{keep: func(ctx context.Context, _ func()) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		c := New(s, slog.New(slog.DiscardHandler))
		require.NoError(t, c.Start(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Register(ctx, entry("n1", "a", 1).Node), context.DeadlineExceeded)

		waiting := make(chan error, 1)
		go func() { waiting <- c.Register(t.Context(), entry("n2", "a", 1).Node) }()
		synctest.Wait()
		require.NoError(t, c.Stop(t.Context()))
		require.ErrorIs(t, <-waiting, discovery.ErrNotRunning)
	})
}

func TestSourceThatCannotBeOpenedIsNamed(t *testing.T) {
	c := New(&script{opened: errors.New("broken")}, nil)
	require.ErrorContains(t, c.Start(t.Context()), "start discovery: the script: broken")
	_, err := c.GetNodes(t.Context())
	require.ErrorIs(t, err, discovery.ErrNotRunning)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Start(ctx), context.Canceled)
}

func TestListThatIsTooLongIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{follow: func(ctx context.Context, send func([]Entry)) error {
			send([]Entry{entry("n1", "a", 1)})
			<-time.After(time.Second)
			send(make([]Entry, Limit+1))
			<-time.After(time.Second)
			send([]Entry{entry("n1", "a", 1)})
			<-ctx.Done()
			return ctx.Err()
		}}
		c := New(s, slog.New(slog.DiscardHandler))
		require.NoError(t, c.Start(t.Context()))
		lists, err := c.Watch(t.Context())
		require.NoError(t, err)
		began := time.Now()
		require.Len(t, <-lists, 1)
		require.Len(t, <-lists, 1) // once more, since there was a time without a list
		assert.Equal(t, 2*time.Second, time.Since(began))
		require.NoError(t, c.Stop(t.Context()))
	})
}
