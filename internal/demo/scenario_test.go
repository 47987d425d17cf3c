package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeStage writes down what is played on it. Members lead in turns.
type fakeStage struct {
	played    []string
	leading   int
	following int // that were asked for
	refuse    int // so many strikes
	fail      error
}

func (s *fakeStage) play(format string, args ...any) {
	s.played = append(s.played, fmt.Sprintf(format, args...))
}

func (s *fakeStage) announce(title, _ string) { s.play("# %s", title) }
func (s *fakeStage) note(text string)         { s.play("note: %s", text) }

func (s *fakeStage) begin() error {
	s.play("begin")
	return nil
}

func (s *fakeStage) leader(_ context.Context, except string) (string, error) {
	if s.fail != nil {
		return "", s.fail
	}
	if memberNames[s.leading] == except {
		s.leading++
	}
	return memberNames[s.leading], nil
}

func (s *fakeStage) follower(context.Context) (string, error) {
	s.following++
	return memberNames[s.leading+s.following], s.fail
}

func (s *fakeStage) leaderless(context.Context) error {
	s.play("nobody leads")
	return s.fail
}

func (s *fakeStage) strike(_ context.Context, f faultKind, id string) error {
	if s.refuse > 0 {
		s.refuse--
		s.leading++
		return errNotStruck
	}
	s.play("%s %s", faults[f].name, id)
	return nil
}

func (s *fakeStage) mend(_ context.Context, f faultKind, id string) error {
	s.play("%s is %s", id, faults[f].mended)
	return nil
}

func (s *fakeStage) measure(_ context.Context, d time.Duration) error {
	s.play("measure for %v", d)
	return s.fail
}

func (s *fakeStage) pause(context.Context, time.Duration) error { return nil }

func TestEveryFaultIsDoneToWhoeverLeadsAndIsMended(t *testing.T) {
	if !canFreeze {
		t.Skip("this system cannot freeze a process; the scenario is a shorter one")
	}
	s := &fakeStage{}
	require.NoError(t, play(t.Context(), s, time.Second))
	assert.Equal(t, strings.TrimSpace(`
# 1 of 6: Start, and elect a leader
begin
# 2 of 6: Kill the leader
kill alpha
alpha is started again
# 3 of 6: Freeze the leader, thaw it later
freeze bravo
bravo is thawed
# 4 of 6: Ask the leader to step down
resign charlie
# 5 of 6: Have the leader hand over to another
transfer delta
# 6 of 6: Cut the leader off from storage
cut echo
echo is connected again`), strings.Join(s.played, "\n"))
}

func TestTheComparisonMeasuresAndHandsOver(t *testing.T) {
	s := &fakeStage{}
	require.NoError(t, playHandoffs(t.Context(), s, time.Second))
	assert.Equal(t, strings.TrimSpace(`
# 1 of 7: Start, and elect a leader
begin
# 2 of 7: Count the requests to storage while nothing happens
measure for 3s
# 3 of 7: Ask the leader to step down
resign alpha
# 4 of 7: Have the leader hand over to another
transfer bravo
# 5 of 7: Ask the leader to step down
resign charlie
# 6 of 7: Have the leader hand over to another
transfer delta
# 7 of 7: Kill the leader
kill echo
echo is started again`), strings.Join(s.played, "\n"))
}

func TestAFaultGoesToTheNextLeaderIfTheOldOneJustLostIt(t *testing.T) {
	s := &fakeStage{refuse: 1}
	id, err := strikeLeader(t.Context(), s, resign)
	require.NoError(t, err)
	assert.Equal(t, "bravo", id)
}

func TestMembersThatNeverObeyEndTheDemo(t *testing.T) {
	_, err := strikeLeader(t.Context(), &fakeStage{refuse: 100}, resign)
	require.ErrorContains(t, err, "no leader obeyed")
}

func TestTheScenarioEndsWithTheFirstError(t *testing.T) {
	boom := errors.New("boom")
	s := &fakeStage{fail: boom}
	require.ErrorIs(t, play(t.Context(), s, time.Second), boom)
	assert.Len(t, s.played, 2)
}

func TestFaultsAreListedByTheirKind(t *testing.T) {
	for i, f := range faults {
		assert.Equal(t, faultKind(i), f.kind)
	}
}
