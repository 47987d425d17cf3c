package s3lect

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stuckLog is a log whose reader has stopped reading.
type stuckLog struct {
	slog.Handler
	stuck atomic.Bool
	freed chan struct{}
}

func (l *stuckLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *stuckLog) WithAttrs([]slog.Attr) slog.Handler       { return l }

func (l *stuckLog) Handle(context.Context, slog.Record) error {
	if l.stuck.Load() {
		<-l.freed
	}
	return nil
}

func TestStuckLogHoldsUpNeitherTheEndOfALeadershipNorTheElector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := &stuckLog{Handler: slog.DiscardHandler, freed: make(chan struct{})}
		s := newMemStorage()
		e, err := NewS3Elector(S3ElectorOptions{Config: testConfig("a"), Storage: s, Logger: slog.New(handler)})
		require.NoError(t, err)
		terms := 0
		err = e.Lead(soon(t), func(ctx context.Context, _ int64) error {
			if terms++; terms == 3 {
				return errWork
			}
			handler.stuck.Store(true)
			s.setFault(hang)
			time.Sleep(e.Remaining() - time.Millisecond)
			assert.Error(t, ctx.Err(), "it heard of the end before the lease was over")
			s.setFault(nil)
			return nil
		})
		require.ErrorIs(t, err, errWork)
		close(handler.freed)
	})
}

func TestAllIsLoggedWhenStopReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		e, err := NewS3Elector(S3ElectorOptions{
			Config: testConfig("a"), Storage: newMemStorage(), Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		require.NoError(t, err)
		require.NoError(t, e.Start(t.Context()))
		require.NoError(t, e.WaitForLeadership(soon(t)))
		require.NoError(t, e.Stop())
		assert.Contains(t, log.String(), "leadership released")
		assert.Contains(t, log.String(), "server=a")
	})
}

func TestTroubleThatLooksDifferentEachTimeIsNotLoggedEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := newMemStorage()
		requests := 0
		s.setFault(func(context.Context, string) error {
			requests++
			return fmt.Errorf("request %d was refused", requests)
		})
		e, err := NewS3Elector(S3ElectorOptions{
			Config: testConfig("a"), Storage: s, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		require.NoError(t, err)
		require.NoError(t, e.Start(t.Context()))
		time.Sleep(time.Hour)
		require.NoError(t, e.Stop())
		assert.Greater(t, requests, 600)
		assert.LessOrEqual(t, strings.Count(log.String(), "in trouble"), 60)
		assert.GreaterOrEqual(t, strings.Count(log.String(), "in trouble"), 50, "what is wrong now can still be seen")
	})
}

func TestLeaderSaysThatItsRecordWasOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		s := newMemStorage()
		e, err := NewS3Elector(S3ElectorOptions{Config: testConfig("a"), Storage: s, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		require.NoError(t, e.Start(t.Context()))
		require.NoError(t, e.WaitForLeadership(soon(t)))
		s.put([]byte("hello"))
		time.Sleep(DefaultLeaderTimeout)
		assert.False(t, e.IsLeader())
		assert.Equal(t, 1, strings.Count(log.String(), "is not a leader record"), log.String())
		require.NoError(t, e.Stop())
	})
}
