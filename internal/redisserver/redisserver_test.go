package redisserver

import (
	"net/url"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryServerIsNewAndEndsWithItsTest(t *testing.T) {
	t.Parallel()
	var first *Server
	t.Run("test", func(t *testing.T) {
		first = Start(t)
		second := Start(t)
		assert.NotEqual(t, first.Address, second.Address)
		require.NoError(t, first.Client(t).Set(t.Context(), "k", "v", 0).Err())
		assert.ErrorIs(t, second.Client(t).Get(t.Context(), "k").Err(), goredis.Nil)
	})
	assert.Error(t, first.Client(t).Ping(t.Context()).Err())
}

func TestAServerWithDiskKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	for kept, options := range map[bool][]Option{true: {WithDisk()}, false: nil} {
		s := Start(t, options...)
		require.NoError(t, s.Client(t).Set(t.Context(), "k", "v", 0).Err())
		s.Kill()
		s.Kill()
		s.Restart(t)
		n, err := s.Client(t).Exists(t.Context(), "k").Result()
		require.NoError(t, err)
		assert.Equal(t, kept, n == 1)
	}
}

func TestTLSAndPasswordAreWanted(t *testing.T) {
	t.Parallel()
	s := Start(t, WithTLS(NewFiles(t)), WithPassword("secret"))
	require.NoError(t, s.Client(t).Ping(t.Context()).Err())
	assert.Contains(t, s.URL(url.Values{"prefix": {"p"}}), "rediss://:secret@127.0.0.1:")

	plain := goredis.NewClient(&goredis.Options{Addr: s.Address, MaxRetries: -1, DialerRetries: 1})
	defer plain.Close()
	assert.Error(t, plain.Ping(t.Context()).Err())

	config := s.tlsConfig()
	config.Certificates = nil
	options := s.options()
	options.TLSConfig = config
	nameless := goredis.NewClient(options)
	defer nameless.Close()
	assert.Error(t, nameless.Ping(t.Context()).Err(), "without a client's certificate")
}

func TestTheReplicaTakesOver(t *testing.T) {
	t.Parallel()
	w := StartWatched(t)
	require.NoError(t, w.Primary.Client(t).Set(t.Context(), "k", "v", 0).Err())
	require.NoError(t, w.Primary.Client(t).Wait(t.Context(), 1, 0).Err())
	w.Primary.Kill()
	w.AwaitFailover(t)
	assert.Equal(t, "v", w.Replica.Client(t).Get(t.Context(), "k").Val())
}

func TestAClusterHasAllSlots(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	client := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{c.Nodes[2].Address}})
	defer client.Close()
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		require.NoError(t, client.Set(t.Context(), key, "v", 0).Err())
	}
}
