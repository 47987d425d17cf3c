package redis_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
)

// Whoever creates an object is told so once, and reads find it, however many calls are given up at
// all moments on the same few connections.
func TestCallsThatAreGivenUpNeverMixUpAnswers(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(t *testing.T) string{
		"single": func(t *testing.T) string { t.Helper(); return redisserver.Start(t).URL(url.Values{"pool_size": {"3"}}) },
		"cluster": func(t *testing.T) string {
			t.Helper()
			return redisserver.StartCluster(t).URL(url.Values{"pool_size": {"2"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, address(t))
			var all sync.WaitGroup
			for w := range 12 {
				all.Go(func() {
					for i := range 100 {
						key := fmt.Sprintf("%d-%d", w, i)
						var created atomic.Int32
						var racers sync.WaitGroup
						for range 3 {
							racers.Go(func() {
								ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
								defer cancel()
								current, mine, err := s.GetOrCreate(ctx, key, []byte(key), time.Minute)
								if err != nil {
									return
								}
								assert.Equal(t, key, string(current))
								if mine {
									created.Add(1)
								}
							})
						}
						racers.Wait()
						assert.LessOrEqual(t, created.Load(), int32(1), key)
						data, _, err := s.Get(t.Context(), key)
						if created.Load() == 1 && assert.NoError(t, err) {
							assert.Equal(t, key, string(data))
						}
					}
				})
			}
			all.Wait()
			_, created, err := s.GetOrCreate(t.Context(), "last", []byte("x"), 0)
			require.NoError(t, err)
			assert.True(t, created)
		})
	}
}
