package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
)

// want is a demo of a quorum: bravo is killed and can be spared, charlie is frozen and cannot, alpha
// steps down; when charlie is thawed it leads, and is killed when bravo is there again.
func want() *chronicle {
	const s = time.Second
	began := 1000 * s
	at := func(seconds float64) time.Duration { return began + time.Duration(seconds*float64(s)) }
	believed := func(id string, term int64, from, to, no float64) belief {
		return belief{ID: id, Process: id + ".1", Term: term, From: at(from), To: at(to), Earliest: at(from), Latest: at(no)}
	}
	ch := &chronicle{
		ids: []string{"alpha", "bravo", "charlie"}, began: began, ended: at(40),
		believed: []belief{
			believed("alpha", 1, 2, 18.5, 18.502),
			believed("charlie", 2, 26, 31, 31), // killed: nobody says no
			believed("bravo", 3, 35, 40, 40),
		},
		struck: []struck{
			{fault: faults[kill], ID: "bravo", At: at(5), Until: at(28)},
			{fault: faults[freezing], ID: "charlie", At: at(12.5), Until: at(21.5)},
			{fault: faults[kill], ID: "charlie", At: at(31.001)},
		},
		ends: map[int64]s3lect.EndReason{1: s3lect.EndQuorumLost},
	}
	for _, id := range ch.ids {
		ch.lives = append(ch.lives, &life{MemberOptions: MemberOptions{ID: id, Start: 1}, span: span{From: began}})
	}
	return ch
}

var threeMembers = Options{Members: 3, Lease: 3 * time.Second, Quorum: true}

func TestEachTurnIsToldWithWhatCameOfIt(t *testing.T) {
	t.Parallel()
	q := quorumOf(want().result(threeMembers), threeMembers)
	told := text(q.report(80), 200)
	assert.Contains(t, told, `
  all started: 3 alive           alpha led after 2.00 s, term 1
  bravo killed: 2 alive          alpha led on
  charlie frozen: 1 alive        alpha stepped down after 6.00 s
                                 quorum lost; a lease, the grace period and a
                                 heartbeat are 7.00 s
  charlie thawed: 2 alive        charlie led after 4.50 s, term 2
  bravo started again: 3 alive   charlie led on
  charlie killed: 2 alive        bravo led after 4.00 s, term 3
`)
	assert.Contains(t, told, "✓ Never two leaders")
	assert.Contains(t, told, "a quorum of 2")
	assertFits(t, q.report(80), 79)
	assertFits(t, q.report(minWidth), minWidth-1)
}

func TestALeaderThatDoesNotStepDownIsToldAsSuch(t *testing.T) {
	t.Parallel()
	ch := want()
	ch.believed[0].To, ch.believed[0].Latest = ch.ended, ch.ended
	ch.believed = ch.believed[:1]
	turns := ch.turns(3, 2)
	assert.Equal(t, ledOn, turns[2].Outcome)
	assert.Equal(t, 1, turns[2].Alive)
}

func TestATurnThatNothingCameOfIsToldAsSuch(t *testing.T) {
	t.Parallel()
	ch := want()
	ch.believed = ch.believed[:1]
	q := quorumOf(ch.result(threeMembers), threeMembers)
	assert.Equal(t, nothing, q.Turns[3].Outcome)
	assert.Contains(t, text(q.report(80), 200), "  charlie thawed: 2 alive        nobody led\n")
}

func TestSoManyFailThatNobodyMayLead(t *testing.T) {
	if !canFreeze {
		t.Skip("this system cannot freeze a process; the scenario kills it instead")
	}
	t.Parallel()
	s := &fakeStage{}
	require.NoError(t, playQuorum(t.Context(), s, 3, 2, time.Second))
	assert.Equal(t, strings.TrimSpace(`
# 1 of 5: Start, and elect a leader
begin
# 2 of 5: Kill as many as can be spared: 2 of 3 are left
kill bravo
# 3 of 5: One more fails: 1 is too few
freeze charlie
nobody leads
# 4 of 5: It comes back: 2 are alive again
charlie is thawed
# 5 of 5: Everybody comes back, and the leader is killed
bravo is started again
kill alpha`), strings.Join(s.played, "\n"))
}

func TestTheQuorumScenarioEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	require.ErrorIs(t, playQuorum(t.Context(), &fakeStage{fail: boom}, 3, 2, time.Second), boom)
}

func TestMoreThanHalfAreAQuorum(t *testing.T) {
	t.Parallel()
	for members, quorum := range map[int]int{3: 2, 4: 3, 5: 3, 9: 5} {
		assert.Equal(t, quorum, Options{Members: members, Quorum: true}.quorum())
	}
	assert.Zero(t, Options{Members: 5}.quorum())
}

func TestNobodyLeadsWithoutAQuorum(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some 26 seconds")
	}
	t.Parallel()
	var processes roster
	var out, errs bytes.Buffer
	err := Run(t.Context(), Options{
		Members: 3, Lease: busyLease, Quorum: true, JSON: true, Out: &out, Err: &errs,
		member: processes.enter(testProgram(honestly)), tempDir: t.TempDir(),
	})
	require.NoError(t, err, "%s", &errs)
	processes.assertAllEnded(t)

	var result struct {
		Quorum int
		Turns  []struct {
			Event, Outcome, Leader, Reason string
			Alive                          int
			AtMillis, TookMillis           float64
		}
		Leaderships      []struct{ FromMillis, ToMillis float64 }
		Faults           []any
		TwoLeadersMillis *float64
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &result))
	require.NotNil(t, result.TwoLeadersMillis)
	assert.Zero(t, *result.TwoLeadersMillis)
	assert.Equal(t, 2, result.Quorum)
	assert.Empty(t, result.Faults, "turns tell it")
	require.Len(t, result.Turns, 6)
	for i, outcome := range []outcomeKind{beganToLead, ledOn, steppedDown, beganToLead, ledOn, beganToLead} {
		assert.Equal(t, string(outcome), result.Turns[i].Outcome, "turn %d", i+1)
	}
	tooFew, enough := result.Turns[2], result.Turns[3]
	assert.Equal(t, 1, tooFew.Alive)
	assert.Equal(t, s3lect.EndQuorumLost.String(), tooFew.Reason)
	for _, l := range result.Leaderships {
		ended := tooFew.AtMillis + tooFew.TookMillis
		assert.False(t, l.FromMillis > ended && l.FromMillis < enough.AtMillis, "somebody led alone")
	}
	assert.Contains(t, errs.String(), "says why: quorum lost")
}
