package demo

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// halves are two short stories; in the second one, handoffs are faster.
func halves() *Comparison {
	part := func(reads float64, leaderless ...time.Duration) *Result {
		r := story().result(Options{Lease: 3 * time.Second})
		r.Steady = &Steady{ReadsPerMinute: reads, WritesPerMinute: 120}
		r.Faults = nil
		for i, d := range leaderless {
			r.Faults = append(r.Faults, Fault{Leaderless: Millis(d), words: faults[handoffs[i]]})
		}
		return r
	}
	return &Comparison{
		Storage: part(480.4, 100*ms, 200*ms, 300*ms, 400*ms, 3*time.Second),
		Peers:   part(27.2, 5*ms, 6*ms, 7*ms, 10*ms, 2900*ms),
	}
}

func TestTheComparisonStandsSideBySide(t *testing.T) {
	c := halves()
	told := text(c.report(80), 200)
	assert.Contains(t, told, `
  Requests to storage a minute   storage only   with peers
  reads                                   480           27
  writes                                  120          120

  For how long nobody led
  4 handoffs, on average               250 ms         7 ms
  at the longest                       400 ms        10 ms
  leader killed                        3.00 s       2.90 s
`)
	assert.Contains(t, told, "✓ Never two leaders")
	assert.Contains(t, told, "8,000 samples", "those of both")
	assert.Less(t, strings.Index(told, "Followers read the storage"), strings.Index(told, "Followers ask the leader"))
	assertFits(t, c.report(80), 79)
	assertFits(t, c.report(minWidth), minWidth-1)
}

func TestTheDisplaySaysWhichHalfIsOn(t *testing.T) {
	c := clusterInTheMiddle()
	for _, half := range []struct {
		peers bool
		says  string
	}{{false, "followers read the file"}, {true, "followers ask the leader"}} {
		c.opts.Peers, c.peers = true, half.peers
		assert.Contains(t, text(c.frame(80, 24), 80), half.says)
		var out bytes.Buffer
		newDisplay(Options{Out: &out}).show(c)()
		assert.Contains(t, out.String(), half.says)
	}
}

func TestTwoLeadersInEitherHalfAreABreach(t *testing.T) {
	c := halves()
	c.TwoLeaders = Millis(2 * ms)
	c.Peers.Overlaps = []Overlap{{To: Millis(2 * ms), Processes: []string{"alpha.1", "bravo.1"}}}
	told := text(c.report(80), 200)
	assert.Contains(t, told, "✗ TWO LEADERS")
	assert.Contains(t, told, "alpha.1, bravo.1")
	assert.Equal(t, Millis(2*ms), c.breach())
	c.keep("here")
	assert.NotEqual(t, c.Storage.Directory, c.Peers.Directory)
}

func TestPeersRelieveTheStorageAndHandOverSooner(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some 36 seconds")
	}
	t.Parallel()
	var processes roster
	var out, errs bytes.Buffer
	err := Run(t.Context(), Options{
		Members: 4, Lease: busyLease, Peers: true, JSON: true, Out: &out, Err: &errs,
		member: processes.enter(testProgram(honestly)), tempDir: t.TempDir(),
	})
	require.NoError(t, err, "%s", &errs)
	processes.assertAllEnded(t)

	var result struct {
		Storage, Peers struct {
			Steady struct{ Reads, Writes int64 }
			Faults []struct{ LeaderlessMillis float64 }
		}
		TwoLeadersMillis *float64
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &result))
	require.NotNil(t, result.TwoLeadersMillis)
	assert.Zero(t, *result.TwoLeadersMillis)
	assert.Less(t, result.Peers.Steady.Reads, result.Storage.Steady.Reads/4)
	assert.Positive(t, result.Peers.Steady.Writes)
	require.Len(t, result.Peers.Faults, len(handoffs))
	require.Len(t, result.Storage.Faults, len(handoffs))
}
