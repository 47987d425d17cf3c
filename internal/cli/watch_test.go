package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// watchHistory runs watch over a short history of an election.
func watchHistory(t *testing.T, args ...string) string {
	t.Helper()
	storage := &flaky{Storage: memory.New()}
	for _, event := range []struct {
		after time.Duration
		do    func()
	}{
		{2 * time.Second, func() { put(t, storage, heldRecord) }},
		{7 * time.Second, func() { put(t, storage, renewedRecord) }},
		{25 * time.Second, func() { put(t, storage, nextRecord) }}, // three seconds after the lease
		{30 * time.Second, func() { storage.fail.Store(true) }},
		{33 * time.Second, func() { storage.fail.Store(false) }},
		{35 * time.Second, func() { put(t, storage, resignedRecord) }},
		{38 * time.Second, func() { put(t, storage, badRecord) }},
	} {
		time.AfterFunc(event.after-time.Millisecond, event.do)
	}
	term := newTerminal(t).on(storage)
	term.interruptAfter(40 * time.Second)
	code, out, says := term.run(with("watch", args...)...)
	assert.Equal(t, exitOK, code)
	assert.Empty(t, says)
	return out
}

func TestWatchPrintsALineForEachChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bad := `object "leader.json" is not a leader record: `
		lines := strings.Split(strings.TrimSpace(watchHistory(t)), "\n")
		require.Len(t, lines, 8)
		assert.True(t, strings.HasPrefix(lines[7], "2000-01-01T00:00:38.000Z  "+bad), lines[7])
		assert.Equal(t, []string{
			"2000-01-01T00:00:00.000Z  nobody leads: there is no record",
			"2000-01-01T00:00:02.000Z  a leads at 10.0.0.1:8443 with term 7, lease 15s",
			"2000-01-01T00:00:22.000Z  a with term 7 has not renewed for its whole lease",
			"2000-01-01T00:00:25.000Z  b leads at 10.0.0.2:8443 with term 8, lease 15s",
			`2000-01-01T00:00:30.000Z  read leader record "leader.json": the storage is away`,
			"2000-01-01T00:00:33.000Z  b leads at 10.0.0.2:8443 with term 8, lease 15s",
			"2000-01-01T00:00:35.000Z  nobody leads: term 7 has been resigned in favour of b",
		}, lines[:7])
	})
}

func TestWatchPrintsRenewalsOnRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := watchHistory(t, "--renewals")
		assert.Contains(t, out, "2000-01-01T00:00:07.000Z  a leads at 10.0.0.1:8443 with term 7, lease 15s\n")
	})
}

func TestWatchInJSONIsAValueALine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var states []string
		for line := range strings.Lines(watchHistory(t, "--json")) {
			var c change
			require.NoError(t, json.Unmarshal([]byte(line), &c))
			assert.Equal(t, "leader.json", c.Key)
			assert.False(t, c.Time.IsZero())
			states = append(states, c.State)
		}
		assert.Equal(t, []string{stateAbsent, stateHeld, stateExpired, stateHeld, stateFailed, stateHeld, stateResigned, stateBad}, states)
	})
}
