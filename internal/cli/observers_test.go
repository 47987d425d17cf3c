package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// outsider is an elector that registers observers, and is no member itself.
func outsider(t *testing.T, storage s3lect.Storage) *s3lect.S3Elector {
	t.Helper()
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config:  &s3lect.ElectorConfig{LockfilePath: "leader.json", ServerID: "outsider", ServerAddr: "x:1"},
		Storage: storage,
	})
	require.NoError(t, err)
	return elector
}

// observed is a storage with a leader and two observers on its list.
func observed(t *testing.T) (storage s3lect.Storage, elector *s3lect.S3Elector) {
	t.Helper()
	storage = memory.New()
	put(t, storage, heldRecord)
	elector = outsider(t, storage)
	require.NoError(t, elector.RegisterObserver(t.Context(), "b", nil))
	require.NoError(t, elector.RegisterObserver(t.Context(), "a", map[string]string{"zone": "eu-1", "rack": "7\x1b"}))
	return storage, elector
}

func TestOneLookCountsWhoeverIsOnTheListAsActive(t *testing.T) {
	t.Parallel()
	storage, _ := observed(t)
	code, out, says := newTerminal(t).on(storage).run(with("status")...)
	assert.Equal(t, exitOK, code, says)
	assert.Contains(t, out, `
observers  2, 2 of them active, as far as one look can tell (see --wait)
  a        active: rack="7\x1b", zone=eu-1
  b        active
`)
	assert.NotContains(t, out, "outsider")
}

func TestObserversAreShownWhereNobodyLeadsYet(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	require.NoError(t, outsider(t, storage).RegisterObserver(t.Context(), "a", nil))
	code, out, _ := newTerminal(t).on(storage).run(with("status")...)
	assert.Equal(t, exitNobody, code)
	assert.Contains(t, out, "observers  1, 1 of them active")
}

func TestWaitingTellsActiveObserversFromSilentOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage, elector := observed(t)
		time.AfterFunc(4*time.Second, func() { assert.NoError(t, elector.UpdateHeartbeat(t.Context(), "a")) })
		time.AfterFunc(5*time.Second, func() { put(t, storage, renewedRecord) })
		began := time.Now()
		code, out, says := newTerminal(t).on(storage).run(with("status", "--wait", "--json")...)
		assert.Equal(t, exitOK, code, says)
		assert.InDelta(t, lease.Seconds(), time.Since(began).Seconds(), 1, "b may still be heard of")
		var shown status
		require.NoError(t, json.Unmarshal([]byte(out), &shown))
		assert.Equal(t, stateAlive, shown.State)
		require.Len(t, shown.Observers, 2)
		a, b := shown.Observers[0], shown.Observers[1]
		assert.True(t, a.Active)
		assert.InDelta(t, 11_000, *a.AgeMillis, 1000)
		assert.Equal(t, "eu-1", a.Metadata["zone"])
		assert.False(t, b.Active)
		assert.InDelta(t, 15_000, *b.AgeMillis, 1000)
	})
}

func TestWaitingEndsWhenAllObserversWereHeardOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage, elector := observed(t)
		put(t, storage, resignedRecord)
		time.AfterFunc(4*time.Second, func() {
			assert.NoError(t, elector.UpdateHeartbeat(t.Context(), "a"))
			assert.NoError(t, elector.UpdateHeartbeat(t.Context(), "b"))
		})
		began := time.Now()
		code, out, says := newTerminal(t).on(storage).run(with("status", "--wait")...)
		assert.Equal(t, exitNobody, code, says)
		assert.Contains(t, out, "observers    2, 2 of them active\n")
		assert.InDelta(t, 4, time.Since(began).Seconds(), 1)
	})
}

func TestWithoutObserversNothingIsSaidOfThem(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, heldRecord)
	for _, args := range [][]string{{"--json"}, nil} {
		_, out, _ := newTerminal(t).on(storage).run(with("status", args...)...)
		assert.NotContains(t, out, "bservers")
	}
}

func TestAListThatIsNoneIsSaidAndFailsNothing(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, heldRecord)
	require.NoError(t, storage.PutIfMatch(t.Context(), s3lect.ObserversKey("leader.json"), []byte("mine"), ""))
	for _, wait := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			time.AfterFunc(time.Second, func() {
				if wait {
					put(t, storage, renewedRecord)
				}
			})
			args := []string{"--wait=false"}
			if wait {
				args = []string{"--wait"}
			}
			code, out, says := newTerminal(t).on(storage).run(with("status", args...)...)
			assert.Equal(t, exitOK, code, says)
			assert.Contains(t, out, "leader     a\n")
			assert.Contains(t, out, `observers  unknown: object "leader.json.observers" is not a list of observers: `)
			time.Sleep(time.Second) // for the timer to end
		})
	}
	_, out, _ := newTerminal(t).on(storage).run(with("status", "--json")...)
	assert.Contains(t, out, `"observersError": "object \"leader.json.observers\" is not a list`)
}

func TestStepDownForWantOfMembersIsTold(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, strings.Replace(resignedRecord, `,"successor":"b"`, `,"quorumLost":true`, 1))
	code, out, _ := newTerminal(t).on(storage).run(with("status")...)
	assert.Equal(t, exitNobody, code)
	assert.Contains(t, out, "nobody leads: the last leader has stepped down for want of members\n")
	_, out, _ = newTerminal(t).on(storage).run(with("status", "--json")...)
	assert.Contains(t, out, `"quorumLost": true`)
	assert.NotContains(t, out, "successor")

	synctest.Test(t, func(t *testing.T) {
		term := newTerminal(t).on(storage)
		term.interruptAfter(time.Second)
		_, out, _ := term.run(with("watch")...)
		assert.Contains(t, out, "nobody leads: term 7 has been resigned for want of members\n")
	})
}

func TestALeaseThatIsTooShortForAnElectorIsNoHindrance(t *testing.T) {
	t.Parallel()
	storage, _ := observed(t)
	put(t, storage, strings.Replace(heldRecord, "15000", "1", 1))
	_, out, says := newTerminal(t).on(storage).run(with("status")...)
	assert.Contains(t, out, "2 of them active", says)
}
