//go:build unix

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
)

// heartbeat is the time between two heartbeats.
const heartbeat = lease / 3

var quorate = slices.Concat(quick, []string{"--quorum", "2", "--metadata", "fleet=test"})

// sight is what "s3lect status --json" shows.
type sight struct {
	State      string
	QuorumLost bool
	Term       int64
	Observers  []s3lect.Observer
}

// active are the IDs of those who are.
func (s sight) active() (ids []string) {
	for _, o := range s.Observers {
		if o.Active {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// status runs the command, which goes on looking until it knows who is alive.
func (c *cluster) status() (s sight) {
	c.t.Helper()
	cmd := exec.Command(c.binary, "status", "--wait", "--json", "--store", c.store, "--key", "leader.json")
	cmd.Env = c.env
	said, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(c.t, err, &exit)
		require.Equal(c.t, 3, exit.ExitCode(), "%s%s", said, exit.Stderr) // nobody leads
	}
	require.NoError(c.t, json.Unmarshal(said, &s), "%s", said)
	return s
}

// awaitActive waits until these members are active, and no others.
func (c *cluster) awaitActive(ids ...string) sight {
	c.t.Helper()
	slices.Sort(ids)
	deadline := time.Now().Add(2*lease + 2*slack)
	for {
		s := c.status()
		if slices.Equal(s.active(), ids) {
			return s
		}
		require.True(c.t, time.Now().Before(deadline), "active are %v, not %v: %+v", s.active(), ids, s)
	}
}

// followers returns those who do not lead, sorted.
func (c *cluster) followers(leader string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.candidates)), func(id string) bool { return id == leader })
}

// roster returns the version of the list of members; empty if there is none.
func (c *cluster) roster() string {
	c.t.Helper()
	_, etag, err := c.storage.Get(c.t.Context(), s3lect.ObserversKey("leader.json"))
	if !errors.Is(err, s3lect.ErrStorageNotFound) {
		require.NoError(c.t, err)
	}
	return etag
}

// TestNobodyLeadsWithoutAQuorum takes members away until too few are left, and gives one back.
func TestNobodyLeadsWithoutAQuorum(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newCluster(t, setup{ids: []string{"a", "b", "c"}, flags: quorate})
	c.start()
	first := c.awaitLeader(0, bound+heartbeat)
	shown := c.awaitActive("a", "b", "c")
	for _, o := range shown.Observers {
		assert.Equal(t, map[string]string{"fleet": "test"}, o.Metadata, o.ID)
	}

	followers := c.followers(first.id)
	stopped, killed := c.candidates[followers[0]], c.candidates[followers[1]]
	stopped.signal(syscall.SIGSTOP)
	shown = c.awaitActive(first.id, killed.id)
	assert.Len(t, shown.Observers, 3, "the stopped one is shown as inactive")
	assert.Equal(t, first.term, c.workFor(2*lease+heartbeat).term, "two of three are enough")

	struck := time.Now()
	killed.kill()
	// The grace period is a lease, too.
	end := c.await(2*lease+heartbeat, "a step-down", func(e entry) bool { return e.term == first.term && e.event == "end" })
	took := end.at.Sub(struck)
	t.Logf("stepped down %v after the quorum was lost", took.Round(time.Millisecond))
	assert.Greater(t, took, lease, "the grace period is granted")
	shown = c.awaitActive(first.id)
	assert.Equal(t, "resigned", shown.State)
	assert.True(t, shown.QuorumLost)
	c.awaitOutput(first.id, fmt.Sprintf("term=%d reason=%q", first.term, s3lect.ErrQuorumLost.Error()))

	c.awaitOutput(first.id, "1 of the 2 members needed")
	stopped.signal(syscall.SIGCONT)
	next := c.awaitLeader(first.term, lease+2*heartbeat+bound)
	assert.Equal(t, first.term+1, next.term, "nobody has led meanwhile")
	c.awaitActive(first.id, stopped.id)
	killed.start()
	c.awaitActive("a", "b", "c")
	c.stop()
	require.NoError(t, audit(c.log()))
}

// awaitOutput waits until a candidate has said something.
func (c *cluster) awaitOutput(id, text string) {
	c.t.Helper()
	deadline := time.Now().Add(bound + slack)
	for {
		said, err := os.ReadFile(c.candidates[id].output)
		require.NoError(c.t, err)
		if strings.Contains(string(said), text) {
			return
		}
		require.True(c.t, time.Now().Before(deadline), "%s does not say %q", id, text)
		<-time.After(tick)
	}
}

// TestHeartbeatsOfPeersLeaveTheStorageAlone shows that a fleet that asks its leader writes no list, is
// known all the same, and needs none to go on when the leader is gone.
func TestHeartbeatsOfPeersLeaveTheStorageAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newCluster(t, setup{ids: []string{"a", "b", "c"}, flags: quorate, peers: true})
	for id, candidate := range c.candidates {
		candidate.badge.replace(t, c.authority("first").issue(t, id))
	}
	c.start()
	first := c.awaitLeader(0, bound+heartbeat)
	c.awaitFollowers(2, bound)
	c.awaitUntouchedRoster(3 * lease)
	c.awaitActive("a", "b", "c")

	c.candidates[first.id].kill()
	next := c.awaitLeader(first.term, bound+heartbeat)
	c.awaitFollowers(1, bound)
	c.awaitActive(c.followers(first.id)...)
	assert.Equal(t, next.term, c.workFor(2*lease+heartbeat).term, "two of three are enough")
	c.candidates[first.id].start()
	c.awaitFollowers(2, bound)
	c.awaitUntouchedRoster(3 * lease)
	c.awaitActive("a", "b", "c")
	c.stop()
	require.NoError(t, audit(c.log()))
}

// awaitUntouchedRoster waits for so long a time without a write to the list of members; each member
// that beats there writes it every third of a lease. A busy machine may take some attempts.
func (c *cluster) awaitUntouchedRoster(long time.Duration) {
	c.t.Helper()
	for range 4 {
		before := c.roster()
		c.workFor(long)
		if c.roster() == before {
			return
		}
	}
	require.Fail(c.t, "heartbeats go to the storage, although the leader takes them")
}

// TestObserverCountsAndNeverLeads has a member that never leads make up the number, and leave in order.
func TestObserverCountsAndNeverLeads(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some ten seconds")
	}
	c := newCluster(t, setup{ids: []string{"a"}, flags: quorate})
	observer := &candidate{program: program{
		t: t, id: "observer", output: filepath.Join(c.dir, "observer.log"), env: c.env,
		args: slices.Concat([]string{c.binary, "observe", "--store", c.store, "--key", "leader.json", "--id", "observer"}, quick),
	}}
	c.candidates["observer"] = observer
	c.start("a")
	c.awaitOutput("a", "1 of the 2 members needed")
	assert.Empty(t, c.log(), "nobody leads alone")

	observer.start()
	first := c.awaitLeader(0, lease+2*heartbeat)
	c.awaitOutput("observer", fmt.Sprintf("a leads at %s with term %d\n", c.address("a"), first.term))
	c.awaitActive("a", "observer")

	observer.signal(syscall.SIGTERM)
	require.NoError(t, observer.wait(), "asked to end, it has done its work")
	delete(c.candidates, "observer")
	c.await(2*lease+heartbeat, "a step-down", func(e entry) bool { return e.term == first.term && e.event == "end" })
	shown := c.awaitActive("a")
	assert.True(t, shown.QuorumLost)
	c.stop()
	require.NoError(t, audit(c.log()))
}

// address is what the record says of the leader's.
func (c *cluster) address(leader string) string {
	c.t.Helper()
	record, err := s3lect.ReadLeaderRecord(c.t.Context(), c.storage, "leader.json")
	require.NoError(c.t, err)
	require.Equal(c.t, leader, record.LeaderID)
	return record.LeaderAddr
}
