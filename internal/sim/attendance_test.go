package sim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func listOf(version int64, beats map[string]int64) *roster {
	r := &roster{Version: version, Observers: []rosterEntry{}}
	for id, n := range beats {
		r.Observers = append(r.Observers, rosterEntry{ID: id, Beats: n})
	}
	return r
}

func newLooks() *looks { return &looks{beats: map[string]int64{}, top: map[string]int64{}} }

func TestOnlyAChangeWithinALeaseIsAHeartbeat(t *testing.T) {
	const lease = 10 * time.Second
	l := newLooks()
	assert.Empty(t, l.newcomers(listOf(1, map[string]int64{"a": 5}), time.Second, lease), "the first look tells nothing")
	assert.Empty(t, l.newcomers(listOf(2, map[string]int64{"a": 5}), 2*time.Second, lease), "it stands still")
	assert.Equal(t, []string{"a"}, l.newcomers(listOf(3, map[string]int64{"a": 6}), 3*time.Second, lease))
	assert.Equal(t, []string{"b"}, l.newcomers(listOf(4, map[string]int64{"a": 6, "b": 1}), 4*time.Second, lease), "it has appeared")
	assert.Empty(t, l.newcomers(listOf(5, map[string]int64{"a": 7, "b": 2}), 14*time.Second, lease), "that may be a lease old")
}

func TestStaleListNeedNotCount(t *testing.T) {
	const lease = 10 * time.Second
	l := newLooks()
	assert.Empty(t, l.surely(listOf(5, map[string]int64{"a": 5}), time.Second, lease))
	assert.Empty(t, l.surely(listOf(4, map[string]int64{"a": 4}), 2*time.Second, lease))
	assert.Empty(t, l.surely(listOf(5, map[string]int64{"a": 5}), 3*time.Second, lease), "it was shown before")
	assert.Equal(t, []string{"a"}, l.surely(listOf(6, map[string]int64{"a": 6}), 4*time.Second, lease))
	l.doubts(listOf(7, map[string]int64{"a": 7}))
	assert.Empty(t, l.surely(listOf(8, map[string]int64{"a": 8}), 5*time.Second, lease), "the last look before is not sure")
}

func TestEnoughLastsUntilTheYoungestHeartbeatsNeededAreALeaseOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lease = 10 * time.Second
		a := newAttendance()
		assert.Equal(t, never, a.until(0, "me", lease, true), "nobody else is needed")
		a.heard("x", 1*time.Second)
		a.heard("y", 3*time.Second)
		a.heard("me", 5*time.Second)
		assert.Equal(t, 13*time.Second, a.until(1, "me", lease, true))
		assert.Equal(t, 11*time.Second, a.until(2, "me", lease, true))
		assert.Zero(t, a.until(3, "me", lease, true), "there never were so many")
		assert.Zero(t, a.until(1, "me", lease, false), "what is heard in this instant may not be taken in yet")
		time.Sleep(time.Second)
		assert.Equal(t, 13*time.Second, a.until(1, "me", lease, false))

		a.vouched(4*time.Second, 9*time.Second, 3)
		assert.Equal(t, 9*time.Second, a.until(3, "me", lease, true))
		assert.Equal(t, 11*time.Second, a.until(2, "me", lease, true), "whichever is later")
		assert.Equal(t, 1, a.within(2*time.Second, 4*time.Second, "me"), "a leader's word is none of its own")
	})
}

func TestWhatIsNoListOfObserversIsNotTakenForOne(t *testing.T) {
	require.NotNil(t, parseRoster([]byte(`{"version":1,"observers":[{"id":"a","beats":1}]}`)))
	for _, data := range []string{
		"", "null", "[]", "hello", `{"version":1}`, `{"observers":[]}`, `{"version":1,"observers":7}`,
		`{"version":1,"observers":[{"beats":1}]}`, `{"version":1,"observers":[{"id":"a","beats":-1}]}`,
		`{"version":1,"observers":[{"id":"a","beats":1},{"id":"a","beats":2}]}`,
		`{"leaderID":"x","lastUpdated":"2000-01-01T00:00:00Z"}`,
	} {
		assert.Nil(t, parseRoster([]byte(data)), data)
	}
}
