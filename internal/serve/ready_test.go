package serve

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// reads makes a server's storage answer reads with the function.
func reads(get func(ctx context.Context) error) func(*Options) {
	return func(o *Options) {
		o.Storage = &storageFunc{memory.New(), func(ctx context.Context, _ string) ([]byte, string, error) {
			return nil, "", get(ctx)
		}}
	}
}

func TestServerIsReadyWhileItsStorageAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"an object":      {nil, 200, "ready\n"},
		"no object":      {s3lect.ErrStorageNotFound, 200, "ready\n"},
		"no answer":      {context.DeadlineExceeded, 503, "the storage has not answered in time\n"},
		"too much":       {s3lect.ErrStorageThrottled, 503, "the storage asks to slow down\n"},
		"something else": {errors.New("bucket secret-name: access denied"), 503, "the storage does not answer as it should; the server's log says why\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t, reads(func(context.Context) error { return c.err }))
				got := f.get("/readyz")
				assert.Equal(t, c.status, got.StatusCode)
				assert.Equal(t, c.says, got.body)
				assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
				assert.Equal(t, 200, f.get("/healthz").StatusCode, "the process is well whatever the storage says")
				require.NoError(t, f.end())
			})
		})
	}
}

func TestStorageIsReadOnceASecondForAllWhoAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		f := start(t, reads(func(context.Context) error {
			asked.Add(1)
			time.Sleep(100 * time.Millisecond)
			return nil
		}))
		for second := int64(1); second <= 3; second++ {
			statuses := make(chan int, 10)
			for range 10 {
				go func() {
					got, err := f.try(http.MethodGet, "/readyz")
					assert.NoError(t, err)
					statuses <- got.StatusCode
				}()
			}
			for range 10 {
				assert.Equal(t, 200, <-statuses)
			}
			f.get("/readyz")
			assert.Equal(t, second, asked.Load())
			time.Sleep(probeInterval)
		}
		require.NoError(t, f.end())
	})
}

func TestFaultOfTheStorageEndsNoServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, reads(func(context.Context) error { panic("out of luck") }))
		assert.Equal(t, 503, f.get("/readyz").StatusCode)
		require.Len(t, f.log.with("out of luck"), 1)
		assert.Contains(t, f.log.with("out of luck")[0], "ready_test.go", "where it was")
		require.NoError(t, f.end())
	})
}

func TestServerStartsWithoutItsStorageAndBecomesReadyWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		heal := make(chan struct{})
		f := start(t, reads(func(context.Context) error { // heeds no context
			calls.Add(1)
			<-heal
			return nil
		}))
		for range 3 {
			began := time.Now()
			assert.Equal(t, 503, f.get("/readyz").StatusCode)
			assert.LessOrEqual(t, time.Since(began), probeTimeout)
			time.Sleep(5 * time.Second)
		}
		assert.EqualValues(t, 1, calls.Load(), "a call that hangs is not joined by more")
		assert.Len(t, f.log.with("level=ERROR"), 1, "said once")
		assert.Len(t, f.log.with("no answer within 2s"), 1)

		close(heal)
		synctest.Wait()
		assert.Equal(t, 200, f.get("/readyz").StatusCode)
		assert.Len(t, f.log.with("the storage answers: ready"), 1)
		require.NoError(t, f.end())
	})
}

func TestServerSaysAtOnceWhetherItsStorageAnswers(t *testing.T) {
	t.Parallel()
	for says, err := range map[string]error{"the storage answers: ready": nil, "so this server is not ready": errors.New("no")} {
		synctest.Test(t, func(t *testing.T) {
			f := start(t, reads(func(context.Context) error { return err }))
			synctest.Wait()
			assert.Len(t, f.log.with(says), 1, "though nobody has asked")
			require.NoError(t, f.end())
		})
	}
}

func TestShutdownDoesNotWaitForAReadThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		heal := make(chan struct{})
		f := start(t, reads(func(context.Context) error { <-heal; return nil }))
		synctest.Wait()
		began := time.Now()
		require.NoError(t, f.end())
		assert.Less(t, time.Since(began), time.Second)
		close(heal)
	})
}

func TestServerIsNotReadyBeforeItHasLookedAtTheElection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(o *Options) {
			slow := memory.New()
			o.Storage = &storageFunc{slow, func(ctx context.Context, key string) ([]byte, string, error) {
				if key == "leader.json" {
					time.Sleep(time.Second)
				}
				return slow.Get(ctx, key)
			}}
			withSidecar(t)(o)
		})
		for _, path := range []string{"/readyz", "/leader", "/leader/self"} {
			got := f.get(path)
			assert.Equal(t, 503, got.StatusCode, path)
			assert.Contains(t, got.body, "the election has not been looked at yet")
		}
		time.Sleep(5 * time.Second)
		for _, path := range []string{"/readyz", "/leader", "/leader/self"} {
			assert.Equal(t, 200, f.get(path).StatusCode, path)
		}
		require.NoError(t, f.end())
	})
}
