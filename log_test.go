package s3lect

import (
	"context"
	"log/slog"
	"sync"
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

func (l *stuckLog) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *stuckLog) Enabled(context.Context, slog.Level) bool {
	if l.stuck.Load() {
		<-l.freed
	}
	return false
}

func TestStuckLogDoesNotKeepTheEndOfALeadershipFromTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := &stuckLog{Handler: slog.DiscardHandler, freed: make(chan struct{})}
		e, err := NewS3Elector(S3ElectorOptions{Config: testConfig("a"), Storage: newMemStorage(), Logger: slog.New(handler)})
		require.NoError(t, err)
		var ended atomic.Bool
		var leading sync.WaitGroup
		leading.Go(func() {
			_ = e.Lead(soon(t), func(ctx context.Context, _ int64) error {
				time.Sleep(time.Second)
				handler.stuck.Store(true)
				go func() { assert.NoError(t, e.Resign(context.WithoutCancel(ctx))) }()
				<-ctx.Done()
				ended.Store(true)
				return nil
			})
		})
		time.Sleep(3 * time.Second)
		assert.False(t, e.IsLeader())
		assert.True(t, ended.Load(), "the work heard of it although nobody reads the log")
		close(handler.freed)
		require.NoError(t, e.Stop())
		leading.Wait()
	})
}
