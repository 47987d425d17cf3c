package cli

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func TestStatusTellsWhatTheRecordSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		record string
		code   int
		says   string
	}{
		"held": {heldRecord, exitOK, `state    led, if the leader is alive \(see --wait\)
leader   a
address  10\.0\.0\.1:8443
term     7
lease    15s
updated  2000-01-01T00:00:00Z \(\S+ ago by this machine's clock\)
`},
		"counted": {strings.Replace(heldRecord, `"term":7`, `"term":7,"sequence":42`, 1), exitOK,
			"(?s).*\nsequence  42 \\(writes since its holder started\\)\n"},
		"resigned": {resignedRecord, exitNobody, `state        nobody leads: the last leader has resigned
last leader  a
term         7
lease        15s
successor    b
`},
		"absent": {"", exitNobody, "state  nobody leads: there is no record yet\n"},
		"bad":    {badRecord, exitBad, "state  not a leader record\nerror  object \"leader.json\" is not a leader record: .*\n"},
		"from a hostile hand": {`{"leaderID":"\u001b[2J","leaderAddr":"x:1","lastUpdated":"2000-01-01T00:00:00Z","term":1}`, exitOK,
			`(?s)leader   "\\x1b\[2J"\n.*`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storage := memory.New()
			if c.record != "" {
				put(t, storage, c.record)
			}
			code, out, says := newTerminal(t).on(storage).run(with("status")...)
			assert.Equal(t, c.code, code)
			assert.Regexp(t, c.says, out)
			assert.Empty(t, says)
		})
	}
}

func TestStatusInJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where it is midnight of the first of January 2000
		storage := memory.New()
		put(t, storage, heldRecord)
		time.Sleep(1500 * time.Millisecond)
		code, out, _ := newTerminal(t).on(storage).run(with("status", "--json")...)
		assert.Equal(t, exitOK, code)
		_, etag, err := storage.Get(t.Context(), "leader.json")
		require.NoError(t, err)
		quoted, err := json.Marshal(etag)
		require.NoError(t, err)
		assert.JSONEq(t, `{"state":"held","key":"leader.json","leaderID":"a","leaderAddr":"10.0.0.1:8443","term":7,
			"leaseMillis":15000,"lastUpdated":"2000-01-01T00:00:00Z","ageMillis":1500,"session":"s","nonce":"n1",
			"etag":`+string(quoted)+`}`, out)
	})
}

func TestResignedLeaderIsNoLeaderInJSON(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, strings.Replace(resignedRecord, `"leaderID":"a",`, `"leaderID":"a","leaderAddr":"10.0.0.1:8443",`, 1))
	code, out, _ := newTerminal(t).on(storage).run(with("status", "--json")...)
	assert.Equal(t, exitNobody, code)
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &fields))
	assert.NotContains(t, fields, "leaderID")
	assert.NotContains(t, fields, "leaderAddr")
	assert.Equal(t, "a", fields["lastLeaderID"])
	assert.Equal(t, "10.0.0.1:8443", fields["lastLeaderAddr"])
}

func TestStatusOfUnreadableStorageIsAnError(t *testing.T) {
	t.Parallel()
	code, out, says := newTerminal(t).on(failing{errors.New("no permission")}).run(with("status")...)
	assert.Equal(t, exitFailure, code)
	assert.Empty(t, out)
	assert.Equal(t, "s3lect: read leader record \"leader.json\": no permission\n", says)
}

func TestWaitingTellsALiveLeaderFromADeadOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after  time.Duration // in which the record becomes
		record string
		state  string
		code   int
		took   time.Duration
	}{
		"renewed":            {5 * time.Second, renewedRecord, stateAlive, exitOK, 5 * time.Second},
		"another leader":     {5 * time.Second, nextRecord, stateAlive, exitOK, 5 * time.Second},
		"resigned":           {5 * time.Second, resignedRecord, stateResigned, exitNobody, 5 * time.Second},
		"damaged":            {5 * time.Second, badRecord, stateBad, exitBad, 5 * time.Second},
		"renewed much later": {2 * lease, renewedRecord, stateExpired, exitNobody, lease},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				storage := memory.New()
				put(t, storage, heldRecord)
				time.AfterFunc(c.after, func() { put(t, storage, c.record) })
				start := time.Now()
				code, out, says := newTerminal(t).on(storage).run(with("status", "--wait", "--json")...)
				took := time.Since(start)
				assert.Equal(t, c.code, code, says)
				assert.Contains(t, out, `"state": "`+c.state+`"`)
				assert.InDelta(t, c.took.Seconds(), took.Seconds(), 1)
				time.Sleep(c.after) // for the timer to end
			})
		})
	}
}

func TestWaitingTakesTheLeaseOfTheFlagWhereTheRecordHasNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := memory.New()
		put(t, storage, `{"leaderID":"a","leaderAddr":"x:1","lastUpdated":"2000-01-01T00:00:00Z"}`)
		start := time.Now()
		code, _, _ := newTerminal(t).on(storage).run(with("status", "--wait", "--lease", "40s")...)
		assert.Equal(t, exitNobody, code)
		assert.Equal(t, 40*time.Second, time.Since(start))
	})
}

func TestWaitingOutlastsAStorageThatFailsForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := &flaky{Storage: memory.New()}
		put(t, storage, heldRecord)
		time.AfterFunc(time.Second, func() { storage.fail.Store(true) })
		time.AfterFunc(5*time.Second, func() { storage.fail.Store(false); put(t, storage, renewedRecord) })
		code, out, _ := newTerminal(t).on(storage).run(with("status", "--wait")...)
		assert.Equal(t, exitOK, code)
		assert.Contains(t, out, "led: the leader is alive")
	})
}

func TestWaitingOnAStorageThatStaysAwayIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := &flaky{Storage: memory.New()}
		put(t, storage, heldRecord)
		time.AfterFunc(time.Second, func() { storage.fail.Store(true) })
		code, _, says := newTerminal(t).on(storage).run(with("status", "--wait")...)
		assert.Equal(t, exitFailure, code)
		assert.Contains(t, says, errFlaky.Error())
	})
}

func TestInterruptedCommandEndsLikeOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage := memory.New()
		put(t, storage, heldRecord)
		term := newTerminal(t).on(storage)
		term.interruptAfter(time.Second)
		code, _, says := term.run(with("status", "--wait")...)
		assert.Equal(t, 130, code)
		assert.Equal(t, "s3lect: interrupted\n", says)
	})
}
