package abandon_test

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

	"github.com/seed-6dc909bb/s3lect/internal/abandon"
)

func TestACallReturnsWhatItsFunctionReturns(t *testing.T) {
	limit, failure := abandon.NewLimit(1), errors.New("no")
	n, err := abandon.Call(t.Context(), limit, func(context.Context) (int, error) { return 7, failure })
	assert.Equal(t, 7, n)
	assert.Equal(t, failure, err)
	n, err = abandon.Call(context.Background(), limit, func(context.Context) (int, error) { return 8, nil })
	assert.Equal(t, 8, n, "without an end")
	assert.NoError(t, err)
}

func TestADeafCallIsLeftBehindAndTooManyAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit, release := abandon.NewLimit(2), make(chan struct{})
		call := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := abandon.Call(ctx, limit, func(context.Context) (int, error) {
				<-release // whatever its context does
				return 1, nil
			})
			return err
		}
		require.ErrorIs(t, call(), context.DeadlineExceeded)
		require.ErrorIs(t, call(), context.DeadlineExceeded)
		require.ErrorIs(t, call(), abandon.ErrTooMany)
		close(release)
		synctest.Wait()
		for range 100 {
			require.NoError(t, call(), "they have returned, and so does each of these")
			synctest.Wait()
		}
	})
}

func TestAnEndedContextMakesNoCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := abandon.Call(ctx, abandon.NewLimit(1), func(context.Context) (int, error) {
		t.Error("called")
		return 0, nil
	})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestACallWithinACallIsMadeDirectly(t *testing.T) {
	limit := abandon.NewLimit(1)
	var inner context.Context
	_, err := abandon.Call(t.Context(), limit, func(ctx context.Context) (int, error) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return abandon.Call(ctx, abandon.NewLimit(0), func(ctx context.Context) (int, error) {
			inner = ctx
			assert.True(t, abandon.Inside(ctx))
			return 0, nil
		})
	})
	assert.False(t, abandon.Inside(t.Context()))
	require.NoError(t, err, "neither the limit nor the context is looked at")
	assert.NotNil(t, inner)
}

func TestAPanicIsTheCallers(t *testing.T) {
	func() {
		defer func() {
			text := fmt.Sprint(recover())
			assert.Contains(t, text, "a mistake")
			assert.Contains(t, text, "abandon_test.go", "where it was made")
		}()
		_, err := abandon.Call(t.Context(), abandon.NewLimit(1), func(context.Context) (int, error) { panic("a mistake") })
		assert.NoError(t, err, "never got here")
	}()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var ended atomic.Bool
		_, err := abandon.Call(ctx, abandon.NewLimit(1), func(context.Context) (int, error) {
			defer ended.Store(true)
			time.Sleep(2 * time.Second) // of fake time
			panic("nobody is there any more")
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(2 * time.Second)
		assert.True(t, ended.Load())
	})
}
