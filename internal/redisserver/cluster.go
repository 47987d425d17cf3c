package redisserver

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	clusterSlots = 16384
	primaries    = 3
)

// Cluster is one of three primaries without replicas.
type Cluster struct {
	Nodes []*Server

	ids []string
}

// StartCluster starts the nodes, shares the slots out among them, and returns when all of them agree.
func StartCluster(tb testing.TB) *Cluster {
	tb.Helper()
	c := &Cluster{}
	for range primaries {
		c.Nodes = append(c.Nodes, Start(tb, WithArguments("--cluster-enabled", "yes",
			"--cluster-port", strconv.Itoa(freePort(tb)), "--cluster-node-timeout", "2000")))
	}
	for i, node := range c.Nodes {
		client := node.Client(tb)
		first, last := slotsOf(i)
		require.NoError(tb, client.ClusterAddSlotsRange(tb.Context(), first, last).Err())
		require.NoError(tb, client.Do(tb.Context(), "cluster", "set-config-epoch", i+1).Err())
		id, err := client.ClusterMyID(tb.Context()).Result()
		require.NoError(tb, err)
		c.ids = append(c.ids, id)
	}
	c.introduce(tb)
	c.awaitHealth(tb, nobody)
	return c
}

const nobody = -1

// awaitHealth waits until all nodes but one that is gone think well of the cluster.
func (c *Cluster) awaitHealth(tb testing.TB, gone int) {
	tb.Helper()
	known := len(c.Nodes)
	if gone != nobody {
		known--
	}
	for i, node := range c.Nodes {
		if i == gone {
			continue
		}
		client := node.Client(tb)
		require.Eventually(tb, func() bool {
			info, err := client.ClusterInfo(tb.Context()).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r\n", known))
		}, settleTimeout, 20*time.Millisecond, "the cluster does not come together")
	}
}

func slotsOf(node int) (first, last int) {
	return node * clusterSlots / primaries, (node+1)*clusterSlots/primaries - 1
}

// introduce has the first node meet the others.
func (c *Cluster) introduce(tb testing.TB) {
	tb.Helper()
	first := c.Nodes[0].Client(tb)
	for _, node := range c.Nodes[1:] {
		host, port, err := net.SplitHostPort(node.Address)
		require.NoError(tb, err)
		bus, err := node.Client(tb).ConfigGet(tb.Context(), "cluster-port").Result()
		require.NoError(tb, err)
		require.NoError(tb, first.Do(tb.Context(), "cluster", "meet", host, port, bus["cluster-port"]).Err())
	}
}

// URL is that of the cluster, with further parameters.
func (c *Cluster) URL(parameters url.Values) string {
	query := url.Values{"cluster": {"true"}}
	for name, values := range parameters {
		query[name] = values
	}
	var addresses []string
	for _, node := range c.Nodes {
		addresses = append(addresses, node.Address)
	}
	return c.Nodes[0].urlOf(addresses, query)
}

// MoveSlot moves the slot of a key from one node to another. While it does, the keys are with the
// new node, and the old one is still in charge and redirects: then it calls during.
func (c *Cluster) MoveSlot(tb testing.TB, key string, from, to int, during func()) {
	tb.Helper()
	ctx := tb.Context()
	source, target := c.Nodes[from].Client(tb), c.Nodes[to].Client(tb)
	slot, err := source.ClusterKeySlot(ctx, key).Result()
	require.NoError(tb, err)
	require.NoError(tb, target.Do(ctx, "cluster", "setslot", slot, "importing", c.ids[from]).Err())
	require.NoError(tb, source.Do(ctx, "cluster", "setslot", slot, "migrating", c.ids[to]).Err())
	host, port, err := net.SplitHostPort(c.Nodes[to].Address)
	require.NoError(tb, err)
	keys, err := source.ClusterGetKeysInSlot(ctx, int(slot), 1000).Result()
	require.NoError(tb, err)
	for _, each := range keys {
		require.NoError(tb, source.Do(ctx, "migrate", host, port, each, 0, 5000).Err())
	}
	during()
	for _, node := range []int{to, from} {
		require.NoError(tb, c.Nodes[node].Client(tb).Do(ctx, "cluster", "setslot", slot, "node", c.ids[to]).Err())
	}
}

// TakeSlots has one node take the slots of another one that is gone, without their keys.
func (c *Cluster) TakeSlots(tb testing.TB, gone, heir int) {
	tb.Helper()
	first, last := slotsOf(gone)
	for i, node := range c.Nodes {
		if i == gone {
			continue
		}
		client := node.Client(tb)
		require.NoError(tb, client.Do(tb.Context(), "cluster", "forget", c.ids[gone]).Err())
		if i == heir {
			require.NoError(tb, client.ClusterAddSlotsRange(tb.Context(), first, last).Err())
		}
	}
	c.awaitHealth(tb, gone)
}
