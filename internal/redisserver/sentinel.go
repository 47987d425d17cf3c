package redisserver

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// PrimaryName is the name by which the sentinels know the primary.
const PrimaryName = "elections"

// settleTimeout is how long servers may take to find each other, on a busy machine.
const settleTimeout = 60 * time.Second

// Watched is a primary with a replica, and a sentinel that has the replica take over when the
// primary does not answer for half a second.
type Watched struct {
	Primary, Replica, Sentinel *Server
}

// StartWatched starts the three, and returns when the replica has everything that the primary has
// and the sentinel knows both.
func StartWatched(tb testing.TB) *Watched {
	tb.Helper()
	w := &Watched{Primary: Start(tb, WithArguments("--repl-diskless-sync-delay", "0"))}
	host, port, err := net.SplitHostPort(w.Primary.Address)
	require.NoError(tb, err)
	w.Replica = Start(tb, WithArguments("--replicaof", host+" "+port))
	w.awaitReplica(tb)                                     // or the sentinel hears of it when it next asks, ten seconds later
	config := filepath.Join(tb.TempDir(), "sentinel.conf") // the sentinel writes to it
	require.NoError(tb, os.WriteFile(config, fmt.Appendf(nil, `
sentinel monitor %[1]s %[2]s %[3]s 1
sentinel down-after-milliseconds %[1]s 500
sentinel failover-timeout %[1]s 3000
`, PrimaryName, host, port), 0o600))
	w.Sentinel = Start(tb, asSentinel(config))
	w.awaitSentinel(tb)
	return w
}

func asSentinel(config string) Option {
	return func(s *Server) { s.arguments = []string{config, "--sentinel"} }
}

func (w *Watched) awaitReplica(tb testing.TB) {
	tb.Helper()
	awaitReplication(tb, w.Replica.Client(tb), "master_link_status:up")
}

func awaitReplication(tb testing.TB, client *goredis.Client, what string) {
	tb.Helper()
	require.Eventually(tb, func() bool {
		info, err := client.Info(tb.Context(), "replication").Result()
		return err == nil && strings.Contains(info, what)
	}, settleTimeout, 10*time.Millisecond, what)
}

func (w *Watched) awaitSentinel(tb testing.TB) {
	tb.Helper()
	sentinel := goredis.NewSentinelClient(w.Sentinel.options())
	defer sentinel.Close()
	require.Eventually(tb, func() bool {
		replicas, err := sentinel.Replicas(tb.Context(), PrimaryName).Result()
		return err == nil && len(replicas) == 1 && replicas[0]["flags"] == "slave" && replicas[0]["master-link-status"] == "ok"
	}, settleTimeout, 10*time.Millisecond, "the sentinel does not see the replica")
}

// AwaitFailover waits until the sentinel names another primary than the one at the start, and that
// one takes writes.
func (w *Watched) AwaitFailover(tb testing.TB) {
	tb.Helper()
	sentinel := goredis.NewSentinelClient(w.Sentinel.options())
	defer sentinel.Close()
	require.Eventually(tb, func() bool {
		address, err := sentinel.GetMasterAddrByName(tb.Context(), PrimaryName).Result()
		return err == nil && net.JoinHostPort(address[0], address[1]) == w.Replica.Address
	}, settleTimeout, 20*time.Millisecond, "the sentinel has not promoted the replica")
	awaitReplication(tb, w.Replica.Client(tb), "role:master")
}

// CutReplication has the primary refuse the replica from now on, as a broken link between the two
// would. It returns when the replica is behind for good.
func (w *Watched) CutReplication(tb testing.TB) {
	tb.Helper()
	primary, replica := w.Primary.Client(tb), w.Replica.Client(tb)
	require.NoError(tb, primary.Do(tb.Context(), "acl", "setuser", "default", "-psync", "-sync", "-replconf").Err())
	require.NoError(tb, primary.Do(tb.Context(), "client", "kill", "type", "replica").Err())
	awaitReplication(tb, replica, "master_link_status:down")
}

// URL is that of the primary by way of the sentinel, with further parameters.
func (w *Watched) URL(parameters url.Values) string {
	query := url.Values{"master_name": {PrimaryName}}
	for name, values := range parameters {
		query[name] = values
	}
	return w.Sentinel.URL(query)
}
