package redis_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
	"github.com/seed-6dc909bb/s3lect/stores/redis"
)

func TestAnErrorAboutAURLNeverQuotesAPassword(t *testing.T) {
	for _, url := range []string{
		"redis://host?addr=user:s3cret@other:6379",
		"redis://host?addr=:s3cret@other:6379",
		"redis://user:12/s3cret@host:6379", // should have been escaped, as all of these
		"redis://user:12?s3cret@host:6379",
		"redis://user:s3cret@ho st",
		"redis://user:s3%zzcret@host",
		"redis://:p#s3cret@host",
	} {
		_, err := redis.Open(url)
		require.Error(t, err, url)
		assert.NotContains(t, err.Error(), "s3cret", url)
	}
}

func TestTheLongestTimeToLiveIsKept(t *testing.T) {
	s := open(t, redisserver.Start(t).URL(nil))
	for _, ttl := range []time.Duration{math.MaxInt64, 200 * 365 * 24 * time.Hour} {
		_, created, err := s.GetOrCreate(t.Context(), ttl.String(), []byte("x"), ttl)
		require.NoError(t, err)
		assert.True(t, created)
	}
}

func TestAStorageCanBeClosedInTheMidstOfAList(t *testing.T) {
	s, err := redis.Open(redisserver.Start(t).URL(nil))
	require.NoError(t, err)
	require.NoError(t, s.PutIfMatch(t.Context(), "a", nil, ""))
	closed := make(chan error, 1)
	for _, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		go func() { closed <- s.Close() }()
		select {
		case err := <-closed:
			assert.NoError(t, err)
		case <-time.After(20 * time.Second):
			t.Error("Close waits for the list, and the list would wait for Close")
		}
	}
}
