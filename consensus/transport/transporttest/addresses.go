package transporttest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

func at(address string) func(*transport.Config) {
	return func(c *transport.Config) { c.Bind = address }
}

func (f *fixture) refuses(t *testing.T, change func(*transport.Config), words ...string) {
	t.Helper()
	c, _ := f.config("a", change)
	e, err := f.transport.Open(c)
	if !assert.Error(t, err) {
		require.NoError(t, e.Close())
		return
	}
	for _, word := range words {
		assert.ErrorContains(t, err, word)
	}
}

func namesRequired(t *testing.T, f *fixture) {
	t.Helper()
	f.refuses(t, func(c *transport.Config) { c.NodeID = "" }, "NodeID")
	f.refuses(t, func(c *transport.Config) { c.ClusterID = "" }, "ClusterID")
	f.refuses(t, func(c *transport.Config) { c.NodeID = strings.Repeat("x", 256) }, "NodeID", "256")
}

func addressInUse(t *testing.T, f *fixture) {
	t.Helper()
	a := f.open(t, "a")
	f.refuses(t, at(string(a.LocalAddr())), string(a.LocalAddr()), "in use")
	f.refuses(t, at("nonsense"), "nonsense")
}

// addressFree closes an endpoint that has connections in both directions and binds its address again.
func addressFree(t *testing.T, f *fixture) {
	t.Helper()
	a, b := f.open(t, "a").answer(agree), f.open(t, "b").answer(agree)
	for range 5 {
		require.NoError(t, a.append(b, 1))
		require.NoError(t, b.append(a, 1))
		address := string(b.LocalAddr())
		b.close(t)
		b = f.open(t, "b", at(address)).answer(agree)
	}
}

func advertised(t *testing.T, f *fixture) {
	t.Helper()
	a := f.open(t, "a", func(c *transport.Config) { c.Advertise = "127.0.0.3:7000" })
	assert.EqualValues(t, "127.0.0.3:7000", a.LocalAddr())
}

func unreachableAddress(t *testing.T, f *fixture) {
	t.Helper()
	f.refuses(t, at("0.0.0.0:0"), "0.0.0.0", "advertise")
	f.refuses(t, at(":0"), "advertise")
	f.refuses(t, func(c *transport.Config) { c.Advertise = "0.0.0.0:7000" }, "0.0.0.0:7000")
	f.refuses(t, func(c *transport.Config) { c.Advertise = "host-without-port" }, "host-without-port")
	f.refuses(t, func(c *transport.Config) { c.Advertise = "127.0.0.1:http" }, "127.0.0.1:http")

	b := f.open(t, "b", func(c *transport.Config) { c.Bind, c.Advertise = "0.0.0.0:0", "127.0.0.1:0" }).answer(agree)
	require.NoError(t, f.open(t, "a").append(b, 1), "with port 0 the one that was bound is told")
}
