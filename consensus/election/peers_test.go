package election

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryNodeKnowsTheStateOfTheWholeFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 1)
		f.nodes[3].Tags = map[string]string{"zone": "x"}
		f.start()
		leader := f.oneLeader(10 * testTimeout)
		f.pass(3 * testTimeout)
		for id, m := range f.runs {
			states := m.ClusterState()
			require.Len(t, states, 4)
			for i, s := range states {
				assert.Equal(t, f.nodes[i], s.Node, "as seen by %s", id)
				expected := StateFollower
				if s.ID == leader {
					expected = StateLeader
				}
				assert.Equal(t, expected, s.State, "of %s as seen by %s", s.ID, id)
				assert.Equal(t, m.Term(), s.Term, "of %s as seen by %s", s.ID, id)
				assert.True(t, s.Healthy)
				assert.Less(t, time.Since(s.LastContact), 2*testTimeout)
			}
		}
		f.stop("w1")
		f.pass(4 * testTimeout)
		silent := f.runs[f.others(leader)[0]].ClusterState()[3]
		assert.Equal(t, "w1", silent.ID)
		assert.False(t, silent.Healthy)
		assert.Equal(t, StateUnknown, silent.State)
		assert.False(t, silent.LastContact.IsZero())
		f.stop()
	})
}

func TestElectionThatDoesNotRunSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, 0)
		e, err := New(f.config("a"))
		require.NoError(t, err)
		check := func() {
			assert.Equal(t, StateStopped, e.CurrentState())
			assert.False(t, e.IsLeader())
			assert.Zero(t, e.Term())
			_, found := e.Leader()
			assert.False(t, found)
			assert.Equal(t, StateStopped, e.ClusterState()[0].State)
			assert.Equal(t, StateUnknown, e.ClusterState()[1].State)
		}
		check()
		require.NoError(t, e.Stop(t.Context()))
		check()
		require.ErrorIs(t, e.Run(t.Context()), ErrAlreadyRun)
		_, open := <-e.Errors()
		assert.False(t, open)
	})
}

func TestRunEndsWithItsContextAndRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, 0)
		e, err := New(f.config("a"))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		f.pass(10 * testTimeout)
		assert.True(t, e.IsLeader())
		require.ErrorIs(t, e.Run(ctx), ErrAlreadyRun)
		cancel()
		require.NoError(t, <-ended)
		assert.Equal(t, StateStopped, e.CurrentState())
		require.NoError(t, e.Stop(t.Context()))
	})
}

// errorsOf are those that have been reported until now.
func errorsOf(e *Election) []error {
	var list []error
	for {
		select {
		case err := <-e.Errors():
			list = append(list, err)
		default:
			return list
		}
	}
}

func TestPeerThatStaysAwayIsReportedOnceForEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		f.start()
		defer f.stop()
		leader := f.oneLeader(10 * testTimeout)
		f.pass(5 * testTimeout)
		assert.Empty(t, errorsOf(f.runs[leader].Election), "a fleet that starts is nothing to tell of")
		away := f.others(leader)[0]
		for range 2 {
			f.isolate(away)
			f.pass(20 * testTimeout)
			reported := errorsOf(f.runs[leader].Election)
			require.Len(t, reported, 1)
			var peer *PeerError
			require.ErrorAs(t, reported[0], &peer)
			assert.Equal(t, away, peer.Node.ID)
			f.network.HealAll()
			f.pass(20 * testTimeout)
			assert.Empty(t, errorsOf(f.runs[leader].Election))
		}
	})
}

// Two nodes that know different members could each find a majority of their own.
func TestNodesWithDifferentConfigurationsRefuseEachOther(t *testing.T) {
	changes := map[string]func(*Config){
		"membership":       func(c *Config) { c.Peers = append([]Node{{ID: "x", Address: "x.test:7000"}}, c.Peers...) },
		"vote":             func(c *Config) { c.Peers = append([]Node{}, c.Peers...); c.Peers[0].NoVote = true },
		"generation":       func(c *Config) { c.Generation = 1 },
		"election timeout": func(c *Config) { c.ElectionTimeout = 2 * testTimeout },
	}
	for name, change := range changes {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, 3, 0)
			f.adjust = func(c *Config) {
				if c.Node.ID == "c" {
					change(c)
				}
			}
			f.start()
			leader := f.oneLeader(20*testTimeout, "a", "b")
			f.quiet(20*testTimeout, leader)
			_, found := f.runs["c"].Leader()
			assert.False(t, found, "%s: it follows a leader of another membership", name)
			assert.NotEqual(t, StateLeader, f.runs["c"].CurrentState(), name)
			for _, id := range []string{"a", "b", "c"} {
				text := ""
				for _, err := range errorsOf(f.runs[id].Election) {
					text += err.Error() + "\n"
				}
				assert.Contains(t, text, "of cluster", "%s: %s does not say why", name, id)
			}
			f.stop()
		})
	}
}

func TestAddressThatIsTakenEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, 0)
		f.start()
		second := f.config("a")
		e, err := New(second)
		require.NoError(t, err)
		err = e.Run(t.Context())
		assert.ErrorContains(t, err, "a.test:7000")
		assert.ErrorContains(t, err, "already in use")
		f.stop()
	})
}
