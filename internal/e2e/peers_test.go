//go:build unix

package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/figure"
)

// newPeerCluster starts candidates that ask their leader.
func newPeerCluster(t *testing.T, flags ...string) *cluster {
	t.Helper()
	c := newCluster(t, setup{ids: []string{"a", "b", "c", "d", "e"}, flags: flags, peers: true})
	for id, candidate := range c.candidates {
		candidate.badge.replace(t, c.authority("first").issue(t, id))
	}
	c.start()
	return c
}

// TestOneLeaderAtATimeThoughPeersAsk does to peers what TestOneLeaderAtATimeUnderRealFaults does to
// candidates that read the storage, and cuts the ways between them as well.
func TestOneLeaderAtATimeThoughPeersAsk(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	c := newPeerCluster(t, quick...)
	c.awaitLeader(0, bound)
	c.awaitFollowers(4, bound)
	c.hardlyAnyReads()

	c.undisturbed("a stall of the ways to the leader", func(leader *candidate) func() {
		leader.peers.set(stall)
		before := c.reads()
		return func() {
			leader.peers.set(pass)
			for id, reads := range c.reads() {
				if id != leader.id {
					assert.Greater(c.t, reads-before[id], int64(lease/interval)/2, "%s reads the storage instead", id)
				}
			}
		}
	})
	c.awaitFollowers(4, bound)
	c.undisturbed("a stall of a follower's way to the storage", func(leader *candidate) func() {
		follower := c.follower(leader)
		follower.proxy.set(stall)
		return func() { follower.proxy.set(pass) }
	})
	c.undisturbed("a break of the ways to the leader", func(leader *candidate) func() {
		leader.peers.breakOnce()
		return func() {}
	})

	c.fault("the leader is killed", bound, func(leader *candidate) (heal func()) {
		leader.kill()
		return leader.start
	})
	c.awaitFollowers(4, bound)
	c.fault("the leader is stopped and continued", bound, func(leader *candidate) func() {
		leader.signal(syscall.SIGSTOP)
		return func() { leader.signal(syscall.SIGCONT) }
	})
	c.awaitFollowers(4, bound)
	c.fault("the leader's connections to the storage stall", bound, func(leader *candidate) func() {
		leader.proxy.set(stall)
		return func() { leader.proxy.set(pass) }
	})
	c.awaitFollowers(4, bound)
	c.fault("the leader's connections to the storage and to peers stall", bound, func(leader *candidate) func() {
		leader.proxy.set(stall)
		leader.peers.set(stall)
		return func() {
			leader.proxy.set(pass)
			leader.peers.set(pass)
		}
	})
	c.awaitFollowers(4, bound)
	c.stop()
	require.NoError(t, audit(c.log()))
}

// follower returns somebody who does not lead.
func (c *cluster) follower(leader *candidate) *candidate {
	for id, candidate := range c.candidates {
		if id != leader.id {
			return candidate
		}
	}
	panic("the leader is alone")
}

// hardlyAnyReads counts what followers read in a settled leadership: at most once in three leases,
// against once an interval without peers.
func (c *cluster) hardlyAnyReads() {
	c.t.Helper()
	c.workFor(2*lease + interval) // until it is settled
	before, began := c.reads(), time.Now()
	c.workFor(4 * lease)
	took := time.Since(began)
	sum := int64(0)
	for id, reads := range c.reads() {
		assert.LessOrEqual(c.t, reads-before[id], int64(took/(3*lease))+1, "%s reads more than once in three leases", id)
		assert.True(c.t, id == c.last().id || reads > before[id], "%s relies on the leader's word alone", id)
		sum += reads - before[id]
	}
	c.t.Logf("%d reads of four followers and a leader in %v; without peers each follower reads every %v", sum, took.Round(time.Millisecond), interval)
}

// TestHandoffsOfPeersTakeNoWaiting measures for how long nothing runs when a leader ends in an
// orderly way: from the end of the old job to the beginning of the next. Followers that read the
// storage would find out with their next read. What is measured here has the machine for itself, as far as other tests of
// this package go.
func TestHandoffsOfPeersTakeNoWaiting(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	const (
		between = 2 * time.Second
		most    = time.Second // well below, and enough for a busy machine
	)
	c := newPeerCluster(t, "--lease", "6s", "--frequent", between.String(), "--infrequent", "6s")
	c.awaitLeader(0, between)

	var asked []time.Duration
	for range 5 {
		c.awaitFollowers(4, 2*between)
		asked = append(asked, c.handoff(func(leader *candidate) {
			leader.signal(syscall.SIGTERM)
			require.NoError(t, leader.wait())
			leader.start()
		}))
	}
	t.Logf("the leader is asked to end: median %v of %v", median(asked), asked)
	figure.Times(t, "TERM to the leader", "time without a job", asked...)
	assert.Less(t, median(asked), most)

	// Each candidate once, because a leader that hands over stands back for a lease.
	var transferred []time.Duration
	given := []string{c.last().id}
	for id := range c.candidates {
		if slices.Contains(given, id) {
			continue
		}
		given = append(given, id)
		c.awaitFollowers(4, 2*between)
		transferred = append(transferred, c.handoff(func(*candidate) { c.transfer(id) }))
		assert.Equal(t, id, c.last().id)
	}
	t.Logf("the leader is told to hand over: median %v of %v", median(transferred), transferred)
	figure.Times(t, "`s3lect transfer`", "time without a job", transferred...)
	assert.Less(t, median(transferred), most)

	c.awaitFollowers(4, 2*between)
	before := c.last()
	assert.Contains(t, c.command("resign"), before.id+" has stepped down: ")
	c.awaitLeader(before.term, between)
	c.stop()
	require.NoError(t, audit(c.log()))
}

// handoff has the leader end its leadership, and returns for how long no job ran.
func (c *cluster) handoff(ask func(leader *candidate)) time.Duration {
	c.t.Helper()
	before := c.last()
	ask(c.candidates[before.id])
	end := c.await(slack, fmt.Sprintf("the end of term %d", before.term), func(e entry) bool { return e.term == before.term && e.event == "end" })
	next := c.awaitLeader(before.term, slack)
	return next.at.Sub(end.at)
}

// transfer has the leader hand over, as any member may.
func (c *cluster) transfer(to string) {
	c.t.Helper()
	assert.Contains(c.t, c.command("transfer", "--to", to), " has handed over to "+to+": "+to+" leads with term ")
}

// command runs a command of the observer on the record, and returns what it says.
func (c *cluster) command(name string, args ...string) string {
	c.t.Helper()
	args = append(append([]string{name, "--store", c.store, "--key", "leader.json"}, args...), c.observer.flags()...)
	cmd := exec.Command(c.binary, args...)
	cmd.Env = c.env
	said, err := cmd.CombinedOutput()
	require.NoError(c.t, err, "%s", said)
	return string(said)
}

func median(of []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
