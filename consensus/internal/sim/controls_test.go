package sim

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// enoughSeeds is within how many seeds a control must be caught. Most are in the first few.
const enoughSeeds = 60

// caught runs seeds until one of them shows a violation of one of the kinds. Only those kinds count, so that the stricter
// checks beside them do not take the credit.
func caught(t *testing.T, o Options, kinds ...string) *Report {
	t.Helper()
	o.Only = kinds
	for seed := range uint64(enoughSeeds) {
		o.Seed = 1 + seed
		if r := runInBubble(t, o); r.Failed() {
			t.Logf("caught with seed %d: %v", o.Seed, r.Violations[0])
			return r
		}
	}
	require.Fail(t, "not caught", "%d seeds of weather %s show none of %v", enoughSeeds, o.Weather.Name, kinds)
	return nil
}

// TestStaleReadsAreNotLinearizable is the control of the checker: it must see through reads from a node's own state.
func TestStaleReadsAreNotLinearizable(t *testing.T) {
	r := caught(t, Options{
		Weather: weatherNamed(t, "lonely-leader"),
		Read:    func(_ context.Context, node *consensus.Node, query any) (any, error) { return node.ReadStale(query) },
	}, "order")
	require.NotNil(t, r.Info)
}

// TestUnknownOutcomesAreNotFailures takes them for failures, and commands turn up that have failed.
func TestUnknownOutcomesAreNotFailures(t *testing.T) {
	caught(t, Options{Weather: weatherNamed(t, "lonely-leader"), Unknown: func(error) bool { return false }}, "failed-but-done")
}

// TestTheEnginesLeadershipIsNotExclusive believes the engine's state, without the lease.
func TestTheEnginesLeadershipIsNotExclusive(t *testing.T) {
	caught(t, Options{
		Weather:  weatherNamed(t, "freezes"),
		IsLeader: func(node *consensus.Node) bool { return node.GetRole() == consensus.RoleLeader },
	}, "two-leaders")
}

// TestForgottenVotesAreNoticed has disks that lose terms and votes in a crash.
func TestForgottenVotesAreNoticed(t *testing.T) {
	caught(t, Options{Weather: weatherNamed(t, "crashes"), Forgets: ForgetsVotes}, "term-shared")
}

// TestForgottenWritesAreNoticed has disks that lose in a crash what they had acknowledged.
func TestForgottenWritesAreNoticed(t *testing.T) {
	r := caught(t, Options{Weather: weatherNamed(t, "crashes"), Forgets: ForgetsWrites}, "lost", "diverged", "order")
	require.True(t, slices.ContainsFunc(r.Operations, func(o *Operation) bool { return o.Outcome == Done }))
}
