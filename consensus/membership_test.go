package consensus_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/static"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// within is a context for what is expected to fail after a while.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestANodeIsAddedWithoutAVoteAndGetsItLater(t *testing.T) {
	c := startCluster(t, 3)
	leader := c.leader()
	fourth := c.start("n4", consensus.WithPeers(nil), consensus.WithJoin())
	require.Equal(t, consensus.RoleNonVoter, fourth.GetRole())
	require.NoError(t, leader.AddNonVoter(t.Context(), "n4", "n4", testPort))
	require.NoError(t, leader.Apply(t.Context(), kv.Set("k", "v")))
	eventuallyHas(t, fourth, "k", "v")
	require.Equal(t, consensus.RoleNonVoter, fourth.GetRole())
	require.ErrorIs(t, leader.AddNonVoter(t.Context(), "n4", "n4", testPort), consensus.ErrPeerExists)
	require.NoError(t, leader.AddNode(t.Context(), "n4", "n4", testPort))
	require.Eventually(t, func() bool { return fourth.GetRole() == consensus.RoleFollower }, 5*time.Second, time.Millisecond)
	require.NoError(t, leader.TransferLeadership(t.Context(), "n4"))
}

func TestAMemberIsNotAddedTwice(t *testing.T) {
	c := startCluster(t, 3)
	leader := c.leader()
	for name, add := range map[string]func() error{
		"the same":                 func() error { return leader.AddNode(t.Context(), "n2", "n2", testPort) },
		"another address":          func() error { return leader.AddNode(t.Context(), "n2", "elsewhere", testPort) },
		"the address of another":   func() error { return leader.AddNode(t.Context(), "n9", "n2", testPort) },
		"as one without a vote":    func() error { return leader.AddNonVoter(t.Context(), "n2", "n2", testPort) },
		"the leader's own address": func() error { return leader.AddNode(t.Context(), "n9", leader.ID(), testPort) },
	} {
		require.ErrorIs(t, add(), consensus.ErrPeerExists, name)
	}
	require.ErrorIs(t, leader.AddNode(t.Context(), "", "n9", 1), consensus.ErrConfig)
	require.ErrorIs(t, leader.AddNode(t.Context(), "n9", "0.0.0.0", 1), consensus.ErrConfig)
	require.ErrorIs(t, leader.AddNode(t.Context(), "n9", "n9", 0), consensus.ErrConfig)
	require.Len(t, leader.GetClusterInfo().Nodes, 3)
}

func TestANodeThatDoesNotAnswerGetsNoVote(t *testing.T) {
	c := startCluster(t, 1)
	leader := c.leader()
	err := leader.AddNode(within(t, 200*time.Millisecond), "n2", "nobody", testPort)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "n2 has been added without a vote")
	require.ErrorContains(t, err, "nobody:7000")
	require.NoError(t, leader.Apply(t.Context(), kv.Set("k", "v")), "a wrong address does not cost the majority")
	require.NoError(t, leader.RemoveNode(t.Context(), "n2"))
	require.Len(t, leader.GetClusterInfo().Nodes, 1)
}

func TestARemovedNodeDisturbsNobody(t *testing.T) {
	c := startCluster(t, 3)
	leader, removed := c.leader(), c.follower()
	term := leader.GetTerm()
	require.NoError(t, leader.RemoveNode(t.Context(), removed.ID()))
	require.NoError(t, leader.Apply(t.Context(), kv.Set("k", "v")))
	require.Eventually(t, func() bool { return removed.GetLeader() == "" }, 5*time.Second, time.Millisecond, "it is not talked to any more")
	require.True(t, leader.IsLeader())
	require.Equal(t, term, leader.GetTerm())
	require.Equal(t, consensus.RoleNonVoter, removed.GetRole())
	require.ErrorIs(t, leader.RemoveNode(t.Context(), removed.ID()), consensus.ErrNodeNotFound)
}

func TestALeaderHandsItsOwnRemovalOn(t *testing.T) {
	for _, size := range []int{2, 3} {
		t.Run(fmt.Sprintf("%d voters", size), func(t *testing.T) {
			c := startCluster(t, size)
			leader := c.leader()
			err := leader.RemoveNode(t.Context(), leader.ID())
			var elsewhere *consensus.NotLeaderError
			require.ErrorAs(t, err, &elsewhere)
			require.NotEqual(t, leader.ID(), elsewhere.LeaderID)
			require.False(t, leader.IsLeader())
			require.True(t, consensus.IsRetryable(err))

			next := c.nodes[elsewhere.LeaderID]
			require.NoError(t, next.RemoveNode(t.Context(), leader.ID()))
			require.Len(t, next.GetClusterInfo().Nodes, size-1)
			require.NoError(t, next.Apply(t.Context(), kv.Set("k", "v")))
		})
	}
}

func TestOtherChangesGoOnWhileANewNodeDoesNotAnswer(t *testing.T) {
	c := startCluster(t, 3)
	leader := c.leader()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	slow := make(chan error, 1)
	go func() { slow <- leader.AddNode(ctx, "n9", "nobody", testPort) }()
	require.Eventually(t, func() bool { return len(leader.GetClusterInfo().Nodes) == 4 }, 5*time.Second, time.Millisecond)

	c.start("n4", consensus.WithPeers(nil), consensus.WithJoin())
	require.NoError(t, leader.AddNode(t.Context(), "n4", "n4", testPort))
	require.NoError(t, leader.RemoveNode(t.Context(), c.follower().ID()))
	require.NoError(t, leader.RemoveNode(t.Context(), "n9"))
	require.ErrorIs(t, <-slow, consensus.ErrNodeNotFound, "it says so at once")
}

func TestTheLastMajorityIsNotRemoved(t *testing.T) {
	c := startCluster(t, 3)
	leader := c.leader()
	var followers []string
	for id := range c.nodes {
		if id != leader.ID() {
			followers = append(followers, id)
		}
	}
	require.Eventually(t, func() bool { return leader.GetClusterInfo().HealthyNodes == 3 }, 5*time.Second, time.Millisecond)
	// Once its heartbeats have not been answered for a while, a follower counts as gone.
	require.NoError(t, c.nodes[followers[0]].Stop(t.Context()))
	require.Eventually(t, func() bool { return leader.GetClusterInfo().HealthyNodes == 2 }, 5*time.Second, time.Millisecond)
	err := leader.RemoveNode(t.Context(), followers[1])
	require.ErrorIs(t, err, consensus.ErrInsufficientPeers)
	require.ErrorContains(t, err, "1 of 2 voters would be healthy")
	require.NoError(t, leader.RemoveNode(t.Context(), followers[0]))
	require.NoError(t, leader.RemoveNode(t.Context(), followers[1]))
	require.ErrorIs(t, leader.RemoveNode(t.Context(), leader.ID()), consensus.ErrInsufficientPeers)
	require.ErrorIs(t, leader.StepDown(t.Context()), consensus.ErrInsufficientPeers)
	require.NoError(t, leader.Apply(t.Context(), kv.Set("k", "v")))
}

func TestLeadershipGoesOnlyToVotersThatAnswer(t *testing.T) {
	c := startCluster(t, 3, consensus.WithElectionTimeoutMin(200*time.Millisecond))
	leader := c.leader()
	require.NoError(t, leader.TransferLeadership(t.Context(), leader.ID()), "it leads already")
	require.ErrorIs(t, leader.TransferLeadership(t.Context(), "n9"), consensus.ErrNodeNotFound)
	c.start("n4", consensus.WithPeers(nil), consensus.WithJoin())
	require.NoError(t, leader.AddNonVoter(t.Context(), "n4", "n4", testPort))
	require.ErrorIs(t, leader.TransferLeadership(t.Context(), "n4"), consensus.ErrInsufficientPeers)

	target := c.follower()
	c.isolate(target.ID())
	err := leader.TransferLeadership(t.Context(), target.ID())
	require.ErrorIs(t, err, consensus.ErrElectionTimeout)
	require.Eventually(t, leader.IsLeader, 5*time.Second, time.Millisecond, "the leadership that could not be handed on goes on")
	require.NoError(t, leader.Apply(t.Context(), kv.Set("k", "v")))
}

func TestChangesAreToldInTheirOrder(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	var mu sync.Mutex
	var roles []consensus.Role
	var leaders []string
	members := map[int]bool{}
	first := c.start("n1",
		consensus.WithOnRoleChange(func(from, to consensus.Role) {
			mu.Lock()
			defer mu.Unlock()
			if len(roles) == 0 {
				roles = append(roles, from)
			}
			if roles[len(roles)-1] != from {
				t.Errorf("role changes from %s after %v", from, roles)
			}
			roles = append(roles, to)
		}),
		consensus.WithOnLeaderChange(func(leader string, _ uint64) {
			mu.Lock()
			defer mu.Unlock()
			leaders = append(leaders, leader)
		}),
		consensus.WithOnMembershipChange(func(nodes []consensus.NodeInfo) {
			mu.Lock()
			defer mu.Unlock()
			members[len(nodes)] = true
		}))
	c.start("n2")
	c.start("n3")
	if c.leader() != first {
		require.NoError(t, c.leader().TransferLeadership(t.Context(), "n1"))
	}
	c.leader()
	require.NoError(t, first.RemoveNode(t.Context(), "n3"))
	delete(c.nodes, "n3")
	require.NoError(t, first.TransferLeadership(t.Context(), "n2"))
	c.leader()
	require.NoError(t, first.Stop(t.Context()))
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, consensus.RoleStopped, roles[0])
	require.Equal(t, consensus.RoleFollower, roles[1])
	leads := slices.Index(roles, consensus.RoleLeader)
	require.Positive(t, leads)
	require.Equal(t, consensus.RoleCandidate, roles[leads-1])
	require.Equal(t, consensus.RoleStopped, roles[len(roles)-1])
	require.Contains(t, leaders, "n1")
	require.Contains(t, leaders, "n2")
	require.True(t, members[2], "%v", members)
}

func TestNodesThatDiscoveryShowsAreAddedAndRemovedOnlyIfWanted(t *testing.T) {
	c := newCluster(t, "n1")
	list, err := static.New()
	require.NoError(t, err)
	leader := c.start("n1", consensus.WithDiscovery(list))
	require.Equal(t, leader, c.leader())
	second := c.start("n2", consensus.WithPeers(nil), consensus.WithJoin())
	require.NoError(t, list.Update([]discovery.Node{discovered("n1", true), discovered("n2", true)}))
	require.Eventually(t, func() bool { return second.GetRole() == consensus.RoleFollower }, 10*time.Second, time.Millisecond)
	third := c.start("n3", consensus.WithPeers(nil), consensus.WithJoin())
	require.NoError(t, list.Update([]discovery.Node{discovered("n1", true), discovered("n3", false)}))
	require.Eventually(t, func() bool { return third.GetLeader() == "n1" }, 10*time.Second, time.Millisecond)
	require.Equal(t, consensus.RoleNonVoter, third.GetRole())
	require.Len(t, leader.GetClusterInfo().Nodes, 3, "n2 is not shown any more and stays")
}

func TestANodeOnTheListThatDoesNotAnswerHoldsUpNobody(t *testing.T) {
	c := newCluster(t, "n1")
	list, err := static.New()
	require.NoError(t, err)
	leader := c.start("n1", consensus.WithDiscovery(list))
	require.Equal(t, leader, c.leader())
	require.NoError(t, list.Update([]discovery.Node{discovered("gone1", true), discovered("gone2", true), discovered("n1", true)}))
	require.Eventually(t, func() bool { return len(ids(leader)) == 3 }, 5*time.Second, time.Millisecond)
	second := c.start("n2", consensus.WithPeers(nil), consensus.WithJoin())
	require.NoError(t, list.Update([]discovery.Node{discovered("gone1", true), discovered("gone2", true), discovered("n1", true), discovered("n2", true)}))
	require.Eventually(t, func() bool { return second.GetRole() == consensus.RoleFollower }, 5*time.Second, time.Millisecond,
		"it has its vote long before anybody gives the others up")
}

func discovered(id string, voter bool) discovery.Node {
	return discovery.Node{ID: id, Address: id, Port: testPort, Voter: voter}
}

func TestAbsentMembersAreRemovedOnceTheyDoNotAnswerEither(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3", "n4")
	list, err := static.New()
	require.NoError(t, err)
	require.NoError(t, list.Update([]discovery.Node{discovered("n1", true), discovered("n2", true)}))
	for _, peer := range c.peers {
		// Only one node follows the list, so that it has to lead.
		if peer.ID == "n1" {
			c.start("n1", consensus.WithDiscovery(list), consensus.WithRemoveAbsent(time.Millisecond))
		} else {
			c.start(peer.ID)
		}
	}
	if c.leader().ID() != "n1" {
		require.NoError(t, c.leader().TransferLeadership(t.Context(), "n1"))
	}
	leader := c.leader()
	require.NoError(t, c.nodes["n4"].Stop(t.Context()))
	listed := [][]discovery.Node{{discovered("n1", true)}, {discovered("n1", true), discovered("n2", true)}}
	looks := 0
	require.Eventually(t, func() bool {
		require.NoError(t, list.Update(listed[looks%2])) // a change of the list makes the leader look
		looks++
		return len(leader.GetClusterInfo().Nodes) == 3
	}, 30*time.Second, 10*time.Millisecond)
	require.NotContains(t, ids(leader), "n4")
	require.Contains(t, ids(leader), "n3", "it is not listed, but it answers")
}

func ids(node *consensus.Node) []string {
	var ids []string
	for _, member := range node.GetClusterInfo().Nodes {
		ids = append(ids, member.ID)
	}
	return ids
}
