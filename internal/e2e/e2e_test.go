//go:build unix

// Package e2e runs the command as people do: real processes on a real S3 server, under real faults.
package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	lease    = 3 * time.Second
	interval = 500 * time.Millisecond // frequent and infrequent
	// bound is the promise for a leader that falls silent, where both intervals are equal.
	bound = lease + interval
	// slack is for the claim's random wait and round trips, and for a busy machine to start processes.
	slack = 3 * time.Second
)

// TestOneLeaderAtATimeUnderRealFaults runs five candidates, each behind a proxy of its own, and
// takes the leadership away from whoever has it, in every way a machine or network does that.
//
// The jobs append to one log. That no line of an older term follows one of a newer term is more
// than s3lect promises of a process that is stopped as a whole: such a job could wake up and append
// once more before its guard has killed it, and only the log itself could refuse that, by the term.
// Here the supervisor alone is stopped. Its guard is not, and kills the job when the lease has
// almost run out, before any other candidate may lead; so the claim holds for every fault below.
func TestOneLeaderAtATimeUnderRealFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newCluster(t, setup{ids: []string{"a", "b", "c", "d", "e"}, flags: quick})
	c.start()
	c.awaitLeader(0, bound)
	c.everyFault()
	c.stop()
	require.NoError(t, audit(c.log()))
}

// everyFault takes the leadership away in every way.
func (c *cluster) everyFault() {
	c.t.Helper()
	c.fault("the leader is killed", bound, func(leader *candidate) (heal func()) {
		leader.kill()
		return leader.start
	})
	c.fault("the leader is stopped and continued", bound, func(leader *candidate) func() {
		leader.signal(syscall.SIGSTOP)
		return func() { leader.signal(syscall.SIGCONT) }
	})
	c.fault("the leader's connections to the storage stall", bound, func(leader *candidate) func() {
		leader.proxy.set(stall)
		return func() { leader.proxy.set(pass) }
	})
	c.fault("the leader's connections to the storage are reset", bound, func(leader *candidate) func() {
		leader.proxy.set(reset)
		return func() { leader.proxy.set(pass) }
	})
	c.fault("the leader is asked to end", interval, func(leader *candidate) func() {
		leader.signal(syscall.SIGTERM)
		return func() {
			assert.NoError(c.t, leader.wait(), "the job ended well when asked, and its status is passed on")
			leader.start()
		}
	})
	c.undisturbed("a break of the leader's connections to the storage", func(leader *candidate) func() {
		leader.proxy.breakOnce()
		return func() {}
	})
}
