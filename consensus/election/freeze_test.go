//go:build unix

package election

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFrozenFollowerDisturbsNobody(t *testing.T) {
	t.Parallel()
	f := newProcesses(t, 3, 2*time.Second) // long, so that a busy machine does not freeze the others
	f.startAll()
	leader := f.leader(f.ids()...)
	frozen, other := f.others(leader)[0], f.others(leader)[1]
	<-time.After(f.timeout)
	expected := [][]string{f.calls(leader), f.calls(other)}

	f.signal(frozen, syscall.SIGSTOP)
	<-time.After(4 * f.timeout)
	assert.Equal(t, expected, [][]string{f.calls(leader), f.calls(other)}, "callbacks were called while a peer was frozen")
	f.signal(frozen, syscall.SIGCONT)
	<-time.After(3 * f.timeout)
	assert.Equal(t, expected, [][]string{f.calls(leader), f.calls(other)}, "callbacks were called when it went on")
	f.stop()
	f.checkSafety()
}

func TestFrozenLeaderIsReplacedAndSeesItAtItsFirstLook(t *testing.T) {
	t.Parallel()
	f := newProcesses(t, 3, 300*time.Millisecond)
	f.startAll()
	for range 8 {
		frozen := f.leader(f.ids()...)
		f.signal(frozen, syscall.SIGSTOP)
		began := time.Now()
		f.leader(f.others(frozen)...)
		t.Logf("a new leader %v after the old one froze", time.Since(began).Round(time.Millisecond))
		<-time.After(time.Duration(rand.Int64N(int64(f.timeout))))
		f.signal(frozen, syscall.SIGCONT)
		f.leader(f.others(frozen)...)
		<-time.After(2 * f.timeout)
	}
	f.stop()
	f.checkSafety()

	freezes := 0
	for _, id := range f.ids() {
		looks := f.samples(id)
		for i := 1; i < len(looks); i++ {
			if looks[i].before-looks[i-1].after > int64(timingOf(f.timeout).Lease) && looks[i-1].leads {
				freezes++
				assert.False(t, looks[i].leads, "node %s still led at its first look after a freeze", id)
			}
		}
	}
	require.Positive(t, freezes)
}

func TestNoTermIsLedTwiceThoughNodesAreKilledAllTheTime(t *testing.T) {
	t.Parallel()
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	f := newProcesses(t, 3, 150*time.Millisecond)
	f.startAll()
	for round := range rounds {
		// All of them, once somebody leads, or some, at any moment of an election.
		if round%3 == 0 {
			f.leader(f.ids()...)
		}
		victims := slices.DeleteFunc(f.ids(), func(string) bool { return round%3 != 0 && rand.IntN(2) == 0 })
		for _, id := range victims {
			f.kill(id)
		}
		for _, id := range victims {
			f.start(id)
		}
		<-time.After(time.Duration(rand.Int64N(int64(4 * f.timeout))))
	}
	f.leader(f.ids()...)
	f.stop()
	f.checkSafety()
	assert.GreaterOrEqual(t, len(f.checkTerms()), rounds/3, "there were too few elections to tell")
}
