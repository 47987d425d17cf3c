//go:build unix

package main

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThreeProcessesAreOneStore(t *testing.T) {
	c := newCluster(t, layout{size: 3, store: inMemory}).run()
	for i, m := range c.members {
		key := []string{"a", "b", "c"}[i]
		code, _, stderr := do(t, "set", key, "of "+m.id, "--api", m.api)
		require.Zero(t, code, stderr)
	}
	for _, m := range c.members {
		code, stdout, stderr := do(t, "list", "--api", m.api)
		assert.Zero(t, code, stderr)
		assert.Equal(t, "a\tof n1\nb\tof n2\nc\tof n3\n", stdout, m.id)
	}
	code, stdout, stderr := do(t, "nodes", "--api", c.leader().api)
	assert.Zero(t, code, stderr)
	for _, m := range c.members {
		assert.Contains(t, stdout, m.address)
	}
	code, _, _ = do(t, "health", "--api", c.leader().api)
	assert.Zero(t, code)
}

// inMemory is for tests in which every node runs all the time.
func inMemory(*testing.T, string) []string { return []string{"--store", "memory"} }

func TestALeaderThatIsToEndHandsOnFirst(t *testing.T) {
	t.Parallel()
	c := newCluster(t, layout{size: 3, store: inMemory, args: []string{"--election-timeout-min", "5s"}})
	c.start(c.members...)
	leader := c.leader()
	stay := c.others(leader)
	missed := func() int {
		const noticed = "heartbeat timeout reached"
		return stay[0].log.count(noticed) + stay[1].log.count(noticed)
	}
	before := missed()
	leader.signal(syscall.SIGTERM)
	assert.Zero(t, leader.exits())
	next := c.leader(stay...)
	assert.Equal(t, before, missed(), "nobody is to have waited for the leader that is gone")
	code, _, stderr := do(t, "set", "a", "1", "--api", next.api)
	assert.Zero(t, code, stderr)
}

func TestLeadershipIsTransferredToTheNodeThatIsNamed(t *testing.T) {
	c := newCluster(t, layout{size: 3, store: inMemory}).run()
	for range 3 {
		next := c.others(c.leader())[0]
		code, stdout, stderr := do(t, "transfer", next.id, "--api", c.flag())
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, next.id+" at "+next.address)
		assert.Equal(t, next, c.leader())
	}
	code, _, stderr := do(t, "transfer", "n9", "--api", c.flag())
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "n9")
	before := c.leader()
	code, _, stderr = do(t, "stepdown", "--api", c.flag())
	assert.Zero(t, code, stderr)
	assert.NotEqual(t, before, c.leader(c.others(before)...))
}

func TestTheSecondSignalEndsANodeAtOnce(t *testing.T) {
	c := newCluster(t, layout{size: 2, store: inMemory}).run()
	leader := c.leader()
	c.others(leader)[0].signal(syscall.SIGSTOP) // the leader has nobody to hand over to
	leader.signal(syscall.SIGTERM)
	c.eventually("it does not obey", func() bool {
		return leader.log.contains("ending in order")
	})
	leader.signal(syscall.SIGTERM)
	assert.Contains(t, []int{128 + int(syscall.SIGTERM), 0}, leader.exits())
}
