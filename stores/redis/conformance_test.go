package redis_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
	"github.com/seed-6dc909bb/s3lect/storagetest"
	"github.com/seed-6dc909bb/s3lect/stores/redis"
)

var _ interface {
	s3lect.Storage
	s3lect.ETagPutter
	s3lect.Creator
	s3lect.Lister
	s3lect.Deleter
} = (*redis.Storage)(nil)

// open opens a storage that is closed with the test.
func open(tb testing.TB, address string) *redis.Storage {
	tb.Helper()
	s, err := redis.Open(address)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

func TestRedisKeepsTheContract(t *testing.T) {
	prefix := url.Values{"prefix": {"elections/jobs"}}
	for name, address := range map[string]func(t *testing.T) string{
		"single": func(t *testing.T) string { t.Helper(); return redisserver.Start(t).URL(prefix) },
		"TLS": func(t *testing.T) string {
			t.Helper()
			return redisserver.Start(t, redisserver.WithTLS(redisserver.NewFiles(t)), redisserver.WithPassword("p:@/ %?")).URL(prefix)
		},
		"sentinel": func(t *testing.T) string { t.Helper(); return redisserver.StartWatched(t).URL(prefix) },
		"cluster":  func(t *testing.T) string { t.Helper(); return redisserver.StartCluster(t).URL(prefix) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, address(t))
			storagetest.Run(t, func(*testing.T) s3lect.Storage { return s })
		})
	}
}
