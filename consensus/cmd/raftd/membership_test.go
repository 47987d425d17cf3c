//go:build unix

package main

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/freeport"
)

func TestANodeIsReplacedWhileClientsWrite(t *testing.T) {
	t.Parallel()
	store := inDirectories("bbolt")
	c := newCluster(t, layout{size: 3, store: store}).run()
	l := c.put()
	c.more(l, 100)

	// Without a vote at first, until it has caught up.
	fourth := newMember(t, "n4", layout{store: store})
	fourth.args = append(fourth.args, "--join", "--bind", fourth.address)
	c.start(fourth)
	code, stdout, stderr := do(t, "add", "n4", fourth.address, "--non-voter", "--api", c.flag())
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, fourth.address)
	c.catchUp(fourth)
	assert.Equal(t, "nonvoter", string(fourth.status().Role))
	code, _, stderr = do(t, "add", "n4", fourth.address, "--api", c.flag())
	require.Zero(t, code, stderr)

	// The one that goes leads, which is the hardest case.
	gone := c.leader()
	code, stdout, stderr = do(t, "remove", gone.id, "--api", c.flag())
	require.Zero(t, code, stderr)
	assert.NotContains(t, stdout, gone.address)
	stay := append(c.others(gone), fourth)
	c.leader(stay...)
	gone.signal(syscall.SIGTERM)
	assert.Zero(t, gone.exits())
	c.members = stay
	c.more(l, 100)

	// The new one counts: with it, one of the others is enough.
	stay[0].kill()
	c.more(l, 100)
	c.start(stay[0])
	c.catchUp(stay[0])
	c.judge(l)
}

func TestAMemberIsNotAddedTwice(t *testing.T) {
	c := newCluster(t, layout{size: 3, store: inMemory}).run()
	second := c.members[1]
	code, _, stderr := do(t, "add", "n9", second.address, "--api", c.flag())
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "already a member")
	code, _, stderr = do(t, "add", second.id, freeport.Address(t), "--api", c.flag())
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "already a member")
	code, _, stderr = do(t, "remove", "n9", "--api", c.flag())
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "n9")
}

func TestANodeThatDiscoveryShowsIsAdded(t *testing.T) {
	t.Parallel()
	fourth := newMember(t, "n4", layout{store: inMemory})
	c := newCluster(t, layout{size: 3, store: inMemory, args: []string{"--discovery", "static://n4=" + fourth.address + "/nonvoter"}}).run()
	fourth.args = append(fourth.args, "--join", "--bind", fourth.address)
	c.start(fourth)
	c.catchUp(fourth)
	assert.Equal(t, "nonvoter", string(fourth.status().Role))
	assert.Len(t, c.leader().status().Cluster.Nodes, 4)
}
