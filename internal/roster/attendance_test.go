package roster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

const lease15 = 15 * time.Second

func rosterOf(version int64, entries ...Entry) *Roster {
	return &Roster{Version: version, Observers: entries}
}

func TestHeartbeatFromTheMemberItselfCountsForALease(t *testing.T) {
	a := NewAttendance()
	require.NoError(t, a.Heard(time.Second, lease15, "b", nil))
	assert.Equal(t, time.Second+lease15, a.Until(1, "a", lease15))
	assert.Equal(t, Never, a.Until(2, "a", lease15))
	assert.Equal(t, 2, a.Active(10*time.Second, lease15, "a"))
	assert.Equal(t, 1, a.Active(time.Second+lease15, lease15, "a"))
}

func TestFirstSightIsNoProofAndAChangeIs(t *testing.T) {
	a := NewAttendance()
	a.Saw(0, lease15, rosterOf(1, Entry{ID: "b", Beats: 7}))
	assert.Equal(t, Never, a.Until(1, "a", lease15))
	assert.Equal(t, time.Duration(0), a.Members()[0].Heard, "for display it counts")
	a.Saw(2*time.Second, lease15, rosterOf(2, Entry{ID: "b", Beats: 7}))
	assert.Equal(t, Never, a.Until(1, "a", lease15))
	a.Saw(4*time.Second, lease15, rosterOf(3, Entry{ID: "b", Beats: 8}))
	assert.Equal(t, 4*time.Second+lease15, a.Until(1, "a", lease15))
}

func TestAppearingSinceTheLastLookIsProof(t *testing.T) {
	a := NewAttendance()
	a.Saw(0, lease15, rosterOf(0))
	a.Saw(time.Second, lease15, rosterOf(1, Entry{ID: "b", Beats: 1}))
	assert.Equal(t, time.Second+lease15, a.Until(1, "a", lease15))
}

func TestChangeSinceALookLongAgoIsNoProof(t *testing.T) {
	a := NewAttendance()
	a.Saw(0, lease15, rosterOf(1, Entry{ID: "b", Beats: 1}))
	a.Saw(lease15, lease15, rosterOf(9, Entry{ID: "b", Beats: 5}, Entry{ID: "c", Beats: 5}))
	assert.Equal(t, Never, a.Until(1, "a", lease15), "it may have happened right after the first look")
}

func TestCounterThatShrinksIsNoHeartbeat(t *testing.T) {
	a := NewAttendance()
	a.Saw(0, lease15, rosterOf(1, Entry{ID: "b", Beats: 5}))
	a.Saw(time.Second, lease15, rosterOf(2, Entry{ID: "b", Beats: 4}))
	assert.Equal(t, Never, a.Until(1, "a", lease15))
	a.Saw(2*time.Second, lease15, rosterOf(3, Entry{ID: "b", Beats: 5}))
	assert.Equal(t, 2*time.Second+lease15, a.Until(1, "a", lease15))
}

func TestReadThatWasOvertakenCountsForNothing(t *testing.T) {
	a := NewAttendance()
	a.Saw(0, lease15, rosterOf(5, Entry{ID: "b", Beats: 5}))
	a.Saw(time.Second, lease15, rosterOf(3, Entry{ID: "b", Beats: 3}, Entry{ID: "c", Beats: 1}))
	a.Saw(2*time.Second, lease15, rosterOf(6, Entry{ID: "b", Beats: 5}))
	assert.Equal(t, Never, a.Until(1, "a", lease15))
	assert.Len(t, a.Members(), 1)
}

func TestEnoughLastsUntilTheOldestNeededHeartbeatIsALeaseOld(t *testing.T) {
	a := NewAttendance()
	for i, id := range []string{"a", "b", "c", "d"} {
		require.NoError(t, a.Heard(time.Duration(i)*time.Second, lease15, id, nil))
	}
	assert.Equal(t, 3*time.Second+lease15, a.Until(1, "a", lease15))
	assert.Equal(t, 2*time.Second+lease15, a.Until(2, "a", lease15))
	assert.Equal(t, time.Second+lease15, a.Until(3, "a", lease15))
	assert.Equal(t, Never, a.Until(4, "a", lease15), "oneself is no other")
}

func TestLeadersWordVouchesForOthersThanItselfAndTheListener(t *testing.T) {
	a := NewAttendance()
	a.Vouch(2*time.Second, 10*time.Second, 4)
	assert.Equal(t, 10*time.Second, a.Until(2, "a", lease15))
	assert.Equal(t, Never, a.Until(3, "a", lease15))
	assert.Equal(t, 4, a.Vouched(2*time.Second+lease15-1, lease15))
	assert.Zero(t, a.Vouched(2*time.Second+lease15, lease15))
	assert.Equal(t, 1, a.Active(9*time.Second, lease15, "a"), "it is not passed on")
}

func TestOwnFormerEntryIsNoOtherMember(t *testing.T) {
	a := NewAttendance()
	a.Saw(0, lease15, rosterOf(1, Entry{ID: "old", Beats: 3}))
	require.NoError(t, a.Heard(time.Second, lease15, "old", nil))
	a.Leave("old")
	a.Saw(2*time.Second, lease15, rosterOf(2, Entry{ID: "old", Beats: 3}, Entry{ID: "x", Beats: 1}))
	assert.Equal(t, Never, a.Until(2, "new", lease15))
	assert.Equal(t, 2*time.Second+lease15, a.Until(1, "new", lease15))
	require.Len(t, a.Members(), 1)
	assert.Equal(t, "x", a.Members()[0].ID)
	a.Saw(3*time.Second, lease15, rosterOf(3, Entry{ID: "old", Beats: 4}))
	assert.Equal(t, 3*time.Second+lease15, a.Until(1, "new", lease15), "somebody else has taken the name")
}

func TestWhatThisProcessHasWrittenItselfIsNoProof(t *testing.T) {
	a := NewAttendance()
	a.Saw(0, lease15, rosterOf(1))
	a.Wrote(time.Second, lease15, rosterOf(2, Entry{ID: "former", Beats: 2}))
	assert.Equal(t, Never, a.Until(1, "new", lease15))
	a.Saw(2*time.Second, lease15, rosterOf(2, Entry{ID: "former", Beats: 2}))
	assert.Equal(t, Never, a.Until(1, "new", lease15))
}

func TestListThatWasBegunAnewMakesNobodyLookDeparted(t *testing.T) {
	a := NewAttendance()
	a.Saw(0, lease15, rosterOf(900, Entry{ID: "b", Beats: 1}))
	a.Saw(10*lease15, lease15, rosterOf(0))
	fresh := rosterOf(1, Entry{ID: "b", Beats: 1})
	a.Saw(10*lease15+time.Second, lease15, fresh)
	assert.Empty(t, a.Departed(10*lease15+time.Second, lease15, fresh))

	a = NewAttendance()
	a.Saw(0, lease15, rosterOf(900, Entry{ID: "b", Beats: 1}))
	a.Saw(10*lease15, lease15, fresh)
	assert.Empty(t, a.Departed(10*lease15, lease15, fresh))
}

func TestMemberThatLeavesTheRosterIsForgottenAtOnce(t *testing.T) {
	a := NewAttendance()
	a.Saw(0, lease15, rosterOf(1))
	a.Saw(time.Second, lease15, rosterOf(2, Entry{ID: "b", Beats: 1}, Entry{ID: "c", Beats: 1}))
	require.NoError(t, a.Heard(2*time.Second, lease15, "c", nil))
	a.Saw(3*time.Second, lease15, rosterOf(3))
	assert.Equal(t, Never, a.Until(2, "a", lease15))
	assert.Equal(t, 2*time.Second+lease15, a.Until(1, "a", lease15), "who has moved to the leader has not left")
}

func TestDepartedAreThoseWhoseCountersWereNotSeenToChangeForTenLeases(t *testing.T) {
	a := NewAttendance()
	list := rosterOf(1, Entry{ID: "b", Beats: 1}, Entry{ID: "c", Beats: 1})
	a.Saw(0, lease15, list)
	assert.Empty(t, a.Departed(10*lease15-1, lease15, list))
	later := rosterOf(2, Entry{ID: "b", Beats: 1}, Entry{ID: "c", Beats: 2})
	assert.Equal(t, []string{"b"}, a.Departed(10*lease15, lease15, later))
	a.Saw(10*lease15, lease15, later)
	assert.Equal(t, []string{"b"}, a.Departed(10*lease15, lease15, later))
}

func TestPublishedListKeepsWithinItsSizeAndForgets(t *testing.T) {
	a := NewAttendance()
	taken := 0
	for i := range 2000 {
		if a.Heard(time.Duration(i), lease15, fmt.Sprintf("scheduler-%04d", i), map[string]string{"zone": "eu-central-1a"}) == nil {
			taken++
		}
	}
	assert.Greater(t, taken, 500)
	list := a.Published(2000, lease15, false)
	assert.Len(t, list, taken)
	r := lease.Record{LeaderID: strings.Repeat("i", 1024), LastUpdated: time.Unix(0, 0)}
	_, err := r.Encode(list...)
	require.NoError(t, err)
	assert.ErrorIs(t, a.Heard(2000, lease15, "one more", nil), ErrFull)
	require.NoError(t, a.Heard(time.Hour, lease15, "one more", nil), "the others were not heard from for long")
	assert.Len(t, a.Published(time.Hour, lease15, false), 1)
}

func TestLeadersListShowsMembersWithTheAgeOfTheirHeartbeats(t *testing.T) {
	a := NewAttendance()
	list := []lease.Observer{{ID: "b", AgeMillis: 4000, Metadata: map[string]string{"zone": "eu"}}}
	a.Told(10*time.Second, "n1", 0, list)
	a.Told(20*time.Second, "n1", 0, list) // the same version again is no news
	require.Len(t, a.Members(), 1)
	assert.Equal(t, Member{"b", map[string]string{"zone": "eu"}, 6 * time.Second}, a.Members()[0])
	assert.Equal(t, Never, a.Until(1, "a", lease15), "it is no proof")
	a.Told(20*time.Second, "n2", 0, []lease.Observer{{ID: "b", AgeMillis: -5}, {ID: ""}, {ID: "c", AgeMillis: 1 << 62}})
	assert.Equal(t, 20*time.Second, a.Members()[0].Heard)
	assert.Len(t, a.Members(), 2)
}

func TestLeaderKnowsBetterThanAFirstSightOfTheRoster(t *testing.T) {
	a := NewAttendance()
	a.Saw(20*time.Second, lease15, rosterOf(7, Entry{ID: "b", Beats: 3}, Entry{ID: "c", Beats: 3}))
	a.Told(20*time.Second, "n1", 0, []lease.Observer{{ID: "b", AgeMillis: 12_000}})
	assert.Equal(t, 8*time.Second, a.Members()[0].Heard)
	assert.Equal(t, 20*time.Second, a.Members()[1].Heard)
	a.Saw(21*time.Second, lease15, rosterOf(8, Entry{ID: "b", Beats: 4}, Entry{ID: "c", Beats: 3}))
	a.Told(21*time.Second, "n2", 0, []lease.Observer{{ID: "b", AgeMillis: 5_000}})
	assert.Equal(t, 21*time.Second, a.Members()[0].Heard, "what was seen to change is known for sure")
}

func TestWhoIsNoLongerOnTheLeadersListIsForgotten(t *testing.T) {
	a := NewAttendance()
	a.Told(0, "n1", 0, []lease.Observer{{ID: "b"}, {ID: "c"}})
	a.Saw(0, lease15, rosterOf(1, Entry{ID: "c", Beats: 1}))
	a.Told(time.Second, "n2", 0, nil)
	require.Len(t, a.Members(), 1)
	assert.Equal(t, "c", a.Members()[0].ID, "it is on the storage")
}

func TestListOfARecordOfUnknownAgeMakesNobodyActive(t *testing.T) {
	a := NewAttendance()
	a.Told(20*time.Second, "n1", lease15, []lease.Observer{{ID: "b", AgeMillis: 1000}})
	assert.Equal(t, 4*time.Second, a.Members()[0].Heard)
	a.Saw(21*time.Second, lease15, rosterOf(7, Entry{ID: "b", Beats: 3}))
	a.Told(21*time.Second, "n2", lease15, []lease.Observer{{ID: "b", AgeMillis: 1000}})
	assert.Equal(t, 21*time.Second, a.Members()[0].Heard, "but the roster may")
}
