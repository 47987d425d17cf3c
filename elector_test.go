package s3lect

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOneCandidateBecomesLeaderAtOnceAndStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		e := startElector(t, s, "a")
		begun := time.Now()
		require.NoError(t, e.WaitForLeadership(t.Context()))
		assert.Less(t, time.Since(begun), time.Second)
		assert.EqualValues(t, 1, e.Term())
		time.Sleep(time.Hour)
		assert.True(t, e.IsLeader())
		assert.EqualValues(t, 1, e.Term())
		require.NoError(t, e.Stop())
		assert.False(t, e.IsLeader())
		assert.True(t, s.record(t).Resigned())
	})
}

func TestFollowerTakesOverAfterALeaderFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemStorage()
		a := startElector(t, s, "a")
		require.NoError(t, a.WaitForLeadership(t.Context()))
		b := startElector(t, s, "b")
		time.Sleep(time.Minute)
		assert.False(t, b.IsLeader())
		assert.Equal(t, "a", b.LeaderID())
		// a is cut off.
		stuck := func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		_ = stuck
		require.NoError(t, a.Stop())
		require.NoError(t, b.WaitForLeadership(t.Context()))
		assert.EqualValues(t, 2, b.Term())
		require.NoError(t, b.Stop())
	})
}
