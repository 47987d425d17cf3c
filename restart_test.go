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
