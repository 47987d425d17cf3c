//go:build unix

package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
	"github.com/seed-6dc909bb/s3lect/stores/redis"
)

// TestOneLeaderAtATimeOnRedis is TestOneLeaderAtATimeUnderRealFaults on a Redis server, and lets that
// fail as well. It keeps what it has acknowledged, on disk.
func TestOneLeaderAtATimeOnRedis(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	var server *redisserver.Server
	c := newCluster(t, setup{ids: []string{"a", "b", "c", "d", "e"}, flags: quick, on: func(t *testing.T) backend {
		t.Helper()
		server = redisserver.Start(t, redisserver.WithDisk(), redisserver.WithPassword("secret"))
		through := func(host string) string { return "redis://:secret@" + host + "?prefix=elections" }
		storage, err := redis.Open(through(server.Address))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, storage.Close()) })
		return backend{host: server.Address, storage: storage, url: through}
	}})
	c.start()
	c.awaitLeader(0, bound)
	c.everyFault()

	c.outage("the server is stalled", func() { server.Stall(t) }, func() { server.Continue(t) })
	c.outage("the server is killed and started again", server.Kill, func() { server.Restart(t) })
	c.stop()
	require.NoError(t, audit(c.log()))
}

// outage takes the storage away from all until nobody may lead any more.
func (c *cluster) outage(what string, begin, end func()) {
	c.t.Helper()
	c.t.Log(what)
	term := c.last().term
	begin()
	require.Eventually(c.t, func() bool { return time.Since(c.last().at) > 20*tick }, lease+slack, tick,
		"%s: a job still works, without a storage for longer than a lease", what)
	end()
	c.awaitLeader(term, 2*bound)
	c.awaitWork(c.last().term)
}
