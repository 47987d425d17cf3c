package election

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigurationsThatCannotWorkAreRefusedByName(t *testing.T) {
	cases := map[string]struct {
		change func(*Config)
		says   string
	}{
		"no ID":                  {func(c *Config) { c.Node = Node{Address: "127.0.0.1:7009"} }, "has no ID"},
		"space in an ID":         {func(c *Config) { c.Peers[1].ID = "b c" }, `"b c" has characters`},
		"long ID":                {func(c *Config) { c.Peers[1].ID = string(make([]byte, 129)) }, "has 129 bytes"},
		"not in the list":        {func(c *Config) { c.Node = Node{ID: "x"} }, "node x has no address: neither Node nor Peers"},
		"peer without address":   {func(c *Config) { c.Peers[1].Address = "" }, "node b has no address"},
		"contradiction":          {func(c *Config) { c.Node.Address = "127.0.0.1:9" }, `this node, a, is at "127.0.0.1:7001" (NoVote false) in Peers`},
		"contradiction of votes": {func(c *Config) { c.Node = c.Peers[0]; c.Node.NoVote = true }, "NoVote true"},
		"ID twice":               {func(c *Config) { c.Peers[2].ID = "b" }, "node b is twice in Peers"},
		"own ID twice":           {func(c *Config) { c.Peers = append(c.Peers, c.Peers[0]) }, "node a is twice in Peers"},
		"address twice":          {func(c *Config) { c.Peers[2].Address = "127.0.0.1:7002" }, "nodes b and c have the same address 127.0.0.1:7002"},
		"no port":                {func(c *Config) { c.Peers[1].Address = "127.0.0.1" }, "node b: address \"127.0.0.1\" is not host:port"},
		"port 0":                 {func(c *Config) { c.Peers[1].Address = "127.0.0.1:0" }, "the port must be a number between 1 and 65535"},
		"port name":              {func(c *Config) { c.Peers[1].Address = "127.0.0.1:http" }, "the port must be a number"},
		"no host":                {func(c *Config) { c.Peers[1].Address = ":7002" }, "other nodes cannot reach"},
		"every host":             {func(c *Config) { c.Peers[1].Address = "0.0.0.0:7002" }, "listen on all interfaces with Bind"},
		"nobody votes": {func(c *Config) {
			for i := range c.Peers {
				c.Peers[i].NoVote = true
			}
		}, "nobody could ever be elected"},
		"short election":   {func(c *Config) { c.ElectionTimeout = 49 * time.Millisecond }, "ElectionTimeout is 49ms"},
		"long election":    {func(c *Config) { c.ElectionTimeout = 2 * time.Hour }, "ElectionTimeout is 2h0m0s"},
		"negative":         {func(c *Config) { c.ElectionTimeout = -1 }, "ElectionTimeout is -1ns"},
		"rare heartbeats":  {func(c *Config) { c.HeartbeatInterval = 300 * time.Millisecond }, "at most half of it"},
		"no heartbeats":    {func(c *Config) { c.HeartbeatInterval = -1 }, "HeartbeatInterval is -1ns"},
		"negative connect": {func(c *Config) { c.ConnectTimeout = -1 }, "ConnectTimeout is -1ns"},
		"negative call":    {func(c *Config) { c.CallBackTimeout = -1 }, "CallBackTimeout is -1ns"},
		"no votes":         {func(c *Config) { c.VotesFile = "" }, "VotesFile is empty"},
		"votes twice":      {func(c *Config) { c.MemoryVotes = true }, "choose one of them"},
		"bind":             {func(c *Config) { c.Bind = "0.0.0.0" }, "(Bind): address"},
	}
	for name, test := range cases {
		c := Config{Node: Node{ID: "a"}, Peers: threeNodes(), VotesFile: "votes"}
		test.change(&c)
		_, err := New(c)
		require.ErrorIs(t, err, ErrConfig, name)
		assert.ErrorContains(t, err, test.says, name)
	}
}

func TestAllFaultsOfAConfigurationAreToldAtOnce(t *testing.T) {
	_, err := New(Config{Node: Node{ID: "a"}, ElectionTimeout: -1})
	assert.ErrorContains(t, err, "no address")
	assert.ErrorContains(t, err, "ElectionTimeout")
	assert.ErrorContains(t, err, "VotesFile")
}

func TestFastTimesWork(t *testing.T) {
	for _, timeout := range []time.Duration{300 * time.Millisecond, 500 * time.Millisecond} {
		e, err := New(Config{
			Node: Node{ID: "a"}, Peers: threeNodes(), MemoryVotes: true,
			HeartbeatInterval: 150 * time.Millisecond, ElectionTimeout: timeout,
		})
		require.NoError(t, err)
		assert.Less(t, e.Timing().HeartbeatMax, 150*time.Millisecond, "a leader is heard of at least as often as asked")
		assert.Equal(t, timeout, e.Timing().ElectionMin)
	}
}

func TestListMayBeTheSameOnEveryNodeOrLackItself(t *testing.T) {
	complete := func(c Config) membership {
		c.MemoryVotes = true
		_, members, err := c.complete()
		require.NoError(t, err)
		return members
	}
	nodes := threeNodes()
	same := complete(Config{Node: Node{ID: "b"}, Peers: nodes})
	others := complete(Config{Node: nodes[1], Peers: []Node{nodes[2], nodes[0]}})
	assert.Equal(t, same, others)
	assert.Equal(t, same.clusterID(time.Second), others.clusterID(time.Second))
}

func TestWhatMustBeTheSameEverywhereIsInTheClusterID(t *testing.T) {
	base := membership{Nodes: threeNodes()}
	id := base.clusterID(time.Second)
	assert.Equal(t, "election-v1/generation-0/timeout-1s/members-", id[:len(id)-16])

	tagged := membership{Nodes: threeNodes()}
	tagged.Nodes[0].Tags = map[string]string{"zone": "x"}
	assert.Equal(t, id, tagged.clusterID(time.Second), "tags may differ")
	assert.NotEmpty(t, tagged.Nodes[0].Tags, "the tags were lost on the way")

	assert.NotEqual(t, id, base.clusterID(2*time.Second))
	for name, change := range map[string]func(*membership){
		"generation": func(m *membership) { m.Generation = 1 },
		"ID":         func(m *membership) { m.Nodes[2].ID = "d" },
		"address":    func(m *membership) { m.Nodes[2].Address = "127.0.0.1:7009" },
		"vote":       func(m *membership) { m.Nodes[2].NoVote = true },
		"size":       func(m *membership) { m.Nodes = m.Nodes[:2] },
	} {
		other := membership{Nodes: threeNodes()}
		change(&other)
		assert.NotEqual(t, id, other.clusterID(time.Second), name)
	}
}
